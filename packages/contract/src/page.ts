import Type, { type TSchema } from 'typebox'

/** Keyset pages: ask again with `page_token` = `next_page_token` until that is null. */
export const PageQuery = {
  page_size: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
  page_token: Type.Optional(Type.String({ maxLength: 200 })),
}

export function pageOf<T extends TSchema>(item: T) {
  return Type.Object({ items: Type.Array(item), next_page_token: Type.Union([Type.String(), Type.Null()]) })
}
export type Page<T> = { items: T[]; next_page_token: string | null }
