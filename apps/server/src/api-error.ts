import type { Problem } from '@noprop/contract'

export type FieldError = NonNullable<Problem['errors']>[number]

/** Everything that the API refuses on purpose: stable code, HTTP status and title. The one table of both. */
export const apiErrors = {
  VALIDATION_FAILED: [400, 'The request is not valid'],
  MALFORMED_BODY: [400, 'The body cannot be read'],
  UNAUTHENTICATED: [401, 'Authentication is needed'],
  FORBIDDEN_HOST: [403, 'This host name is not served'],
  FORBIDDEN_ORIGIN: [403, 'Requests from other sites are refused'],
  NOT_FOUND: [404, 'Not found'],
  RUN_NOT_FOUND: [404, 'There is no such run'],
  METHOD_NOT_ALLOWED: [405, 'Method not allowed'],
  RUN_ALREADY_FINAL: [409, 'The run has ended already'],
  RUN_NOT_FINAL: [409, 'The run has not ended yet'],
  BODY_TOO_LARGE: [413, 'The body is too large'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'The media type of the body is not supported'],
  UNPROCESSABLE: [422, 'The request cannot be carried out'],
  IDEMPOTENCY_KEY_REUSED: [422, 'The Idempotency-Key belongs to another request'],
  RATE_LIMITED: [429, 'Too many requests'],
  INTERNAL: [500, 'Something went wrong here'],
  DISK_FULL: [507, 'The disk is full'],
  UNAVAILABLE: [503, 'The server is not available at the moment'],
} as const satisfies Record<string, readonly [status: number, title: string]>
export type ApiErrorCode = keyof typeof apiErrors

/** An answer that is not a success. Features with codes of their own pass `status` and `title`. */
export class ApiError extends Error {
  readonly code: string
  readonly statusCode: number
  readonly title: string
  readonly errors: FieldError[] | undefined

  constructor(
    code: ApiErrorCode | (string & {}),
    detail: string,
    options: { status?: number; title?: string; errors?: FieldError[] } = {},
  ) {
    super(detail)
    const [status, title] = (apiErrors as Record<string, readonly [number, string] | undefined>)[code] ?? [400, 'The request is not valid']
    this.code = code
    this.statusCode = options.status ?? status
    this.title = options.title ?? title
    this.errors = options.errors
  }
}

/** The request is well formed but cannot be carried out; one entry for each field at fault. */
export function unprocessable(errors: [FieldError, ...FieldError[]]): ApiError {
  return new ApiError('UNPROCESSABLE', errors.map((error) => error.detail).join('; '), { errors })
}
