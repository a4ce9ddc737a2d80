import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { ApiError } from '../api-error.ts'
import { isLoopback } from '../config.ts'

/**
 * Refuses requests that a page of another site makes a browser send: a Host that is not ours (DNS rebinding), or an Origin that is not the Host.
 * Runs before everything else, WebSocket upgrades included.
 */
export function installOriginCheck(app: FastifyInstance, host: string) {
  app.addHook('onRequest', async ({ headers }) => {
    const refusal = refusalOf(headers, host)
    if (refusal) throw refusal
  })
}

/** Why a request with these headers is none for us; null where it is one. */
export function refusalOf({ host: hostHeader = '', origin }: IncomingHttpHeaders, host: string): ApiError | null {
  if (!isServedHost(hostHeader, host))
    return new ApiError('FORBIDDEN_HOST', 'The Host header names neither this machine nor the configured HOST')
  if (origin !== undefined && !isSameOrigin(origin, hostHeader))
    return new ApiError('FORBIDDEN_ORIGIN', 'The Origin header names another site')
  return null
}

/**
 * @param header value of the Host header
 * @param host   what the server listens on. A wildcard address is reached under names that it cannot know; there a token is required,
 *               which a rebound name does not carry, so any host is served.
 */
export function isServedHost(header: string, host: string): boolean {
  const name = hostName(header)
  if (name === null) return false
  if (isWildcard(host)) return true
  return isLoopback(name) || name === host.toLowerCase()
}

export function isSameOrigin(origin: string, hostHeader: string): boolean {
  try {
    const { protocol, host } = new URL(origin)
    return /^https?:$/.test(protocol) && host === new URL(`${protocol}//${hostHeader}`).host
  } catch {
    return false
  }
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || /^[0:]+$/.test(host)
}

/** The name or address in a Host header, lower case, without port and brackets; null where it is not one. */
function hostName(header: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(header)
  const name = (match?.[1] ?? match?.[2])?.toLowerCase()
  if (!name || (match?.[1] && isIP(name) !== 6)) return null
  return name
}
