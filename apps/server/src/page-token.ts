import type { Page } from '@noprop/contract'
import { ApiError } from './api-error.ts'

/** Opaque to clients: the key of the last item of a page. */
function encodePageToken(key: string): string {
  return Buffer.from(key, 'utf8').toString('base64url')
}

/** @throws {ApiError} VALIDATION_FAILED: not a token of ours */
function decodePageToken(token: string): string {
  const key = Buffer.from(token, 'base64url').toString('utf8')
  if (!/^[a-z0-9_]{1,64}$/.test(key) || encodePageToken(key) !== token) {
    const detail = 'page_token must be the next_page_token of an earlier answer'
    throw new ApiError('VALIDATION_FAILED', detail, { errors: [{ pointer: '/page_token', detail }] })
  }
  return key
}

/**
 * One keyset page, newest first.
 *
 * @param read up to `limit` items whose ids come before `before`, the id of the last item of the page before this one
 * @throws {ApiError} VALIDATION_FAILED: not a token of ours
 */
export async function keysetPage<T extends { id: string }>(
  query: { page_size?: number; page_token?: string },
  read: (range: { before: string | undefined; limit: number }) => Promise<T[]>,
): Promise<Page<T>> {
  const size = query.page_size ?? 50
  const before = query.page_token === undefined ? undefined : decodePageToken(query.page_token)
  const found = await read({ before, limit: size + 1 })
  const items = found.slice(0, size)
  return { items, next_page_token: found.length > size ? encodePageToken(items.at(-1)!.id) : null }
}
