import { ApiError, networkError, problemFrom } from './problem.ts'

type Query = Record<string, string | number | boolean | undefined>

export interface RequestOptions {
  query?: Query
  /** sent as JSON */
  json?: unknown
  form?: FormData
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
}

let onUnauthenticated: () => void = () => {}

/** Says what happens when the server answers 401 to anything but the log-in itself. */
export function whenUnauthenticated(handler: () => void): void {
  onUnauthenticated = handler
}

function pathWithQuery(path: string, query: Query = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value))
  return search.size > 0 ? `${path}?${search}` : path
}

/**
 * One request to the API of the same origin.
 *
 * @returns the parsed JSON body, or undefined for an answer without one
 * @throws {ApiError} for every answer that is not 2xx, and when there is no answer
 */
export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const response = await send(method, path, options)
  if (response.status === 204) return undefined as T
  const body: unknown = await response.json().catch(() => undefined)
  if (!response.ok) throw failure(response, body)
  if (body === undefined) throw new ApiError(problemFrom(502, 'an answer that is not JSON', undefined))
  return body as T
}

/** As `request`, for an image. */
export async function requestBlob(path: string): Promise<Blob> {
  const response = await send('GET', path, { headers: { accept: 'image/*, application/problem+json' } })
  if (!response.ok) throw failure(response, await response.json().catch(() => undefined))
  return response.blob()
}

async function send(method: string, path: string, { query, json, form, headers, signal }: RequestOptions): Promise<Response> {
  try {
    return await fetch(pathWithQuery(path, query), {
      method,
      credentials: 'same-origin',
      headers: { accept: 'application/json', ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: json === undefined ? (form ?? null) : JSON.stringify(json),
      signal: signal ?? null,
    })
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw networkError(cause)
  }
}

function failure(response: Response, body: unknown): ApiError {
  if (response.status === 401 && !new URL(response.url).pathname.endsWith('/v1/session')) onUnauthenticated()
  return new ApiError(problemFrom(response.status, response.statusText, body))
}
