import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { ApiError } from '../api-error.ts'
import { api } from '../route-schema.ts'

const cookieName = 'noprop_session'
const sessionSeconds = 30 * 24 * 60 * 60
const loginsPerMinute = 10

const Session = Type.Object({ required: Type.Boolean(), authenticated: Type.Boolean() })
const Login = Type.Object({ token: Type.String({ minLength: 1, maxLength: 1000 }) }, { additionalProperties: false })

/**
 * With a token configured, every route without `config.public` wants it as a bearer, or a session cookie that was given for it.
 * A session is its time of expiry signed with the token: it survives restarts and dies with the token.
 */
export async function installAuthentication(app: FastifyInstance, token: string | null) {
  app.decorateRequest('isAuthenticated', false)
  app.addHook('onRequest', async (request) => {
    request.isAuthenticated = token === null || hasBearer(request, token) || hasSession(request, token)
    if (!request.isAuthenticated && !request.routeOptions.config?.public && !request.is404)
      throw new ApiError('UNAUTHENTICATED', 'Send the token of NOPROP_API_TOKEN as "Authorization: Bearer …", or log in')
  })
  await app.register(rateLimit, { global: false })
  api(app).route({
    method: 'GET',
    url: '/v1/session',
    config: { public: true },
    schema: { tags: ['session'], summary: 'Whether a token is required, and whether this request carries it', response: { 200: Session } },
    handler: async (request) => ({ required: token !== null, authenticated: request.isAuthenticated }),
  })
  api(app).route({
    method: 'POST',
    url: '/v1/session',
    config: { public: true, rateLimit: { max: loginsPerMinute, timeWindow: '1 minute' } },
    schema: { tags: ['session'], summary: 'Log in: exchange the token for a cookie', body: Login, response: { 204: Type.Null() } },
    handler: async (request, reply) => {
      if (token !== null && !equal(request.body.token, token)) throw new ApiError('UNAUTHENTICATED', 'This is not the token of the server')
      if (token !== null) reply.header('set-cookie', sessionCookie(newSession(token), sessionSeconds))
      return reply.code(204).send(null)
    },
  })
  api(app).route({
    method: 'DELETE',
    url: '/v1/session',
    config: { public: true },
    schema: { tags: ['session'], summary: 'Log out', response: { 204: Type.Null() } },
    handler: async (_request, reply) => reply.header('set-cookie', sessionCookie('', 0)).code(204).send(null),
  })
}

declare module 'fastify' {
  interface FastifyRequest {
    /** It carries the token or a session, or none is needed. */
    isAuthenticated: boolean
  }
}

function hasBearer({ headers }: FastifyRequest, token: string): boolean {
  const [scheme, value, ...rest] = (headers.authorization ?? '').split(' ')
  return scheme?.toLowerCase() === 'bearer' && value !== undefined && rest.length === 0 && equal(value, token)
}

function hasSession({ headers }: FastifyRequest, token: string): boolean {
  const cookie = headers.cookie
    ?.split(';')
    .map((part) => part.trim())
    .find((part) => part.startsWith(`${cookieName}=`))
  const [expiry = '', signature = ''] = cookie?.slice(cookieName.length + 1).split('.') ?? []
  return /^\d{1,15}$/.test(expiry) && Number(expiry) > Date.now() && equal(signature, sign(expiry, token))
}

function newSession(token: string): string {
  const expiry = String(Date.now() + sessionSeconds * 1000)
  return `${expiry}.${sign(expiry, token)}`
}

function sign(expiry: string, token: string): string {
  return createHmac('sha256', token).update(`session ${expiry}`).digest('base64url')
}

function sessionCookie(value: string, maxAge: number): string {
  return `${cookieName}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAge}`
}

/** In constant time for texts of any two lengths. */
function equal(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
