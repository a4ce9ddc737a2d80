import { createHash } from 'node:crypto'
import { ApiError } from '../api-error.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import type { Transaction } from '../plugins/database.ts'

const keptForMs = 24 * 60 * 60 * 1000

export interface KeyedRequest {
  readonly key: string
  readonly body: unknown
}

/**
 * Answers a creating request that was answered before under the same key, and otherwise lets it be carried out and remembers the answer, all in one transaction.
 *
 * @throws {ApiError} IDEMPOTENCY_KEY_REUSED: the key belongs to a request with another body
 */
export async function once<T>(
  { db }: Transaction,
  request: KeyedRequest | null,
  carryOut: () => Promise<T>,
): Promise<{ body: T; replayed: boolean }> {
  if (!request) return { body: await carryOut(), replayed: false }
  const requestHash = createHash('sha256').update(canonicalJson(request.body)).digest('hex')
  await db.idempotencyKey.deleteMany({ where: { createdAt: { lt: new Date(Date.now() - keptForMs) } } })
  const known = await db.idempotencyKey.findUnique({ where: { key: request.key } })
  if (known) {
    if (known.requestHash !== requestHash)
      throw new ApiError('IDEMPOTENCY_KEY_REUSED', 'This Idempotency-Key was used for a request with another body; take a new one')
    return { body: known.body as T, replayed: true }
  }
  const body = await carryOut()
  await db.idempotencyKey.create({ data: { key: request.key, requestHash, status: 201, body: body as Prisma.InputJsonValue } })
  return { body, replayed: false }
}

/** JSON with the members of objects in one order, so that equal values give equal text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    member !== null && typeof member === 'object' && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}
