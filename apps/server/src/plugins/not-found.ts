import type { FastifyInstance, RouteOptions } from 'fastify'
import { ApiError } from '../api-error.ts'

/** Registers, before any route, what is needed to tell a wrong method from a wrong path. */
export function installMethodTable(app: FastifyInstance): (path: string) => string[] {
  const routes: { pattern: RegExp; methods: string[] }[] = []
  app.addHook('onRoute', ({ url, method }: RouteOptions) => {
    if (url.includes('*')) return
    const segments = url.split('/').map((segment) => (segment.startsWith(':') ? '[^/]+' : segment.replace(/[.+?^${}()|[\]\\]/g, '\\$&')))
    routes.push({ pattern: new RegExp(`^${segments.join('/')}$`), methods: [method].flat() })
  })
  return (path) => [...new Set(routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods))]
}

/** The answer to a path that no route serves. */
export function notFoundError(path: string, method: string, allowed: readonly string[]): ApiError {
  if (allowed.length > 0) return new ApiError('METHOD_NOT_ALLOWED', `${method} is not possible here; ${allowed.join(', ')} is`)
  return new ApiError('NOT_FOUND', `There is nothing at ${path.slice(0, 200)}`)
}
