import { ApiError } from './api-error.ts'

/** Opaque to clients: the key of the last item of a page. */
export function encodePageToken(key: string): string {
  return Buffer.from(key, 'utf8').toString('base64url')
}

/** @throws {ApiError} VALIDATION_FAILED: not a token of ours */
export function decodePageToken(token: string): string {
  const key = Buffer.from(token, 'base64url').toString('utf8')
  if (!/^[a-z0-9_]{1,64}$/.test(key) || encodePageToken(key) !== token) {
    const detail = 'page_token must be the next_page_token of an earlier answer'
    throw new ApiError('VALIDATION_FAILED', detail, { errors: [{ pointer: '/page_token', detail }] })
  }
  return key
}
