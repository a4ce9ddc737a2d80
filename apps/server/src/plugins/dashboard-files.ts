import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic, { type FastifyStaticOptions } from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { ApiError } from '../api-error.ts'
import { notFoundError } from './not-found.ts'

/** Paths of the API; a browser that asks for an unknown one of these gets a problem, not the dashboard. */
const apiPrefixes = ['/v1/', '/v2/', '/docs', '/predict', '/openapi.json', '/metrics', '/livez', '/readyz', '/assets/']

/** The built dashboard, and its index.html for every path that only its own router knows. */
export async function installDashboard(app: FastifyInstance, folder: string, allowedMethods: (path: string) => string[]) {
  const isBuilt = existsSync(join(folder, 'index.html'))
  if (isBuilt) await serveFiles(app, folder)
  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.split('?', 1)[0]!
    const isPage =
      request.method === 'GET' &&
      (request.headers.accept ?? '').includes('text/html') &&
      !apiPrefixes.some((prefix) => path.startsWith(prefix))
    if (isPage && isBuilt) return reply.header('cache-control', 'no-cache').sendFile('index.html')
    if (!request.isAuthenticated && path.startsWith('/v1/'))
      throw new ApiError('UNAUTHENTICATED', 'Send the token of NOPROP_API_TOKEN as "Authorization: Bearer …"')
    const allowed = allowedMethods(path)
    if (allowed.length > 0) reply.header('allow', allowed.join(', '))
    throw notFoundError(path, request.method, allowed)
  })
}

async function serveFiles(app: FastifyInstance, folder: string) {
  // the plugin takes no route config of its own; without its files nobody could see the login
  let isRegistering = true
  app.addHook('onRoute', (route) => {
    if (isRegistering) route.config = { ...route.config, public: true }
  })
  const common: FastifyStaticOptions = {
    root: folder,
    cacheControl: false,
    setHeaders: (response, path) => {
      // Vite puts a hash of the content into the names of assets; the other files change under the same name
      const isImmutable = path.startsWith(join(folder, 'assets'))
      response.header('cache-control', isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache')
    },
  }
  await app.register(fastifyStatic, { ...common, wildcard: false, globIgnore: ['assets/**'] })
  // looked for on each request: a dashboard that is built anew has assets of other names
  const assets = join(folder, 'assets')
  await app.register(fastifyStatic, {
    ...common,
    root: assets,
    prefix: '/assets/',
    decorateReply: false,
    suppressWarning: true,
  })
  isRegistering = false
}
