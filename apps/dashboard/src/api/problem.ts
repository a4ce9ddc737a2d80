import type { Problem } from '@noprop/contract'

/** Code of an ApiError that no server sent: the request never got an answer. */
const networkCode = 'NETWORK'

/** An answer of the server that is not a success, or no answer at all. `message` is a sentence for the user. */
export class ApiError extends Error {
  readonly status: number
  readonly problem: Problem

  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.detail || problem.title, options)
    this.name = 'ApiError'
    this.status = problem.status
    this.problem = problem
  }

  get code(): string {
    return this.problem.code
  }
}

/** The request got no answer: the server is down, restarting, or out of reach. */
export function networkError(cause: unknown): ApiError {
  return new ApiError(
    {
      type: 'about:blank',
      title: 'No answer',
      status: 503,
      detail: 'The server does not answer. It may be starting again; nothing that it has stored is lost.',
      code: networkCode,
      request_id: '',
    },
    { cause },
  )
}

/** Reads the body of a failed answer; one that is not problem+json (a proxy's page, say) becomes a problem too. */
export function problemFrom(status: number, statusText: string, body: unknown): Problem {
  if (typeof body === 'object' && body !== null && 'title' in body && 'status' in body) {
    return { detail: '', code: 'UNKNOWN', request_id: '', ...body } as Problem
  }
  return {
    type: 'about:blank',
    title: statusText || 'Error',
    status,
    detail: `The server answered ${status} ${statusText}`.trim() + '.',
    code: 'UNKNOWN',
    request_id: '',
  }
}

/**
 * Splits a problem into messages for fields and the rest.
 *
 * @returns `fields`: JSON Pointer → message, for the pointers in `known`; `rest`: messages that belong to no field on the page
 */
export function splitByField(problem: Problem, known: ReadonlySet<string>): { fields: Map<string, string>; rest: string[] } {
  const fields = new Map<string, string>()
  const rest: string[] = []
  for (const { pointer, detail } of problem.errors ?? []) {
    // An error inside an array is shown at the array: /config/channels/1 → /config/channels
    const place = [pointer, pointer.replace(/\/\d+$/, '')].find((candidate) => known.has(candidate))
    if (place === undefined) rest.push(pointer ? `${pointer.slice(1)}: ${detail}` : detail)
    else if (!fields.has(place)) fields.set(place, detail)
  }
  if (fields.size === 0 && rest.length === 0) rest.push(problem.detail || problem.title)
  return { fields, rest }
}
