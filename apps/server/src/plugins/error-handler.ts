import type { Problem } from '@noprop/contract'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaValidationError } from 'fastify'
import { ApiError, type ApiErrorCode, apiErrors, type FieldError } from '../api-error.ts'

const maxFieldErrors = 20

/** Codes of Fastify, its plugins and the database that a client can cause or must understand. */
const knownCodes: Readonly<Record<string, ApiErrorCode>> = {
  FST_ERR_VALIDATION: 'VALIDATION_FAILED',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_REQ_FILE_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_UNDER_PRESSURE: 'UNAVAILABLE',
}

/** Every error leaves as a problem of RFC 9457. */
export function installErrorHandler(app: FastifyInstance) {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = problemOf(error, request)
    if (problem.status >= 500 && problem.status !== 503) request.log.error({ err: error }, 'request failed')
    return sendProblem(reply, problem)
  })
}

/** Answers with a problem. */
export function sendProblem(reply: FastifyReply, problem: Problem) {
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="noprop"')
  return reply.code(problem.status).type('application/problem+json').serializer(JSON.stringify).send(problem)
}

/** The body of an answer to `error`. What is not meant for clients says only that something went wrong. */
export function problemOf(error: Error, request: Pick<FastifyRequest, 'id'>): Problem {
  const make = (code: string, status: number, title: string, detail: string, errors?: FieldError[]): Problem => ({
    type: 'about:blank',
    title,
    status,
    detail,
    code,
    request_id: request.id,
    ...(errors ? { errors } : {}),
  })
  if (error instanceof ApiError) return make(error.code, error.statusCode, error.title, error.message, error.errors)

  const fromTable = (code: ApiErrorCode, detail: string, errors?: FieldError[]) =>
    make(code, apiErrors[code][0], apiErrors[code][1], detail, errors)
  const { code = '', statusCode, validation } = error as FastifyError
  if (validation) {
    const errors = fieldErrors(validation)
    return fromTable('VALIDATION_FAILED', errors.map(({ pointer, detail }) => `${pointer || 'the body'} ${detail}`).join('; '), errors)
  }
  const known = knownCodes[code]
  if (known) return fromTable(known, error.message)
  // a path that is not written in its plain form, such as one with two slashes in a row
  if (code === 'FST_STATIC_FORBIDDEN_PATH') return fromTable('NOT_FOUND', 'No file is served under a path of this form')
  if (isDiskFull(error)) return fromTable('DISK_FULL', 'The disk of the server is full; nothing was stored')
  if (statusCode === 429) return fromTable('RATE_LIMITED', error.message)
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return make(statusCode === 400 ? 'MALFORMED_BODY' : code || 'REFUSED', statusCode, titleOf(statusCode), error.message)
  return fromTable('INTERNAL', 'The server could not answer; its log says why under this request_id')
}

/** SQLITE_FULL, as the database driver words it, or ENOSPC from the file system. */
export function isDiskFull(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'SQLITE_FULL' || /database or disk is full/.test(message ?? '')
}

function titleOf(status: number): string {
  return Object.values(apiErrors).find((entry) => entry[0] === status)?.[1] ?? 'The request is not valid'
}

function fieldErrors(validation: readonly FastifySchemaValidationError[]): FieldError[] {
  const errors = new Map<string, FieldError>()
  for (const entry of validation) {
    // the branches of a union say in detail what its own entry sums up
    if (entry.keyword === 'anyOf' || entry.keyword === 'if') continue
    const error = fieldError(entry)
    const previous = errors.get(error.pointer)
    errors.set(
      error.pointer,
      previous && previous.detail !== error.detail ? { ...error, detail: `${previous.detail} or ${error.detail}` } : error,
    )
  }
  return [...errors.values()].slice(0, maxFieldErrors)
}

function fieldError({ instancePath, keyword, params, message }: FastifySchemaValidationError): FieldError {
  const child = (name: unknown) => `${instancePath}/${String(name).slice(0, 200).replaceAll('~', '~0').replaceAll('/', '~1')}`
  if (keyword === 'additionalProperties') return { pointer: child(params['additionalProperty']), detail: 'is not a known field' }
  if (keyword === 'required') return { pointer: child(params['missingProperty']), detail: 'is required' }
  if (keyword === 'enum') {
    const allowed = (params['allowedValues'] as unknown[]).map(String).join(', ')
    return { pointer: instancePath, detail: `must be one of: ${allowed}` }
  }
  return { pointer: instancePath, detail: message ?? 'is not valid' }
}
