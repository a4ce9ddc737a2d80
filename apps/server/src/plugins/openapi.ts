import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'

/** `/openapi.json` (OpenAPI 3.1, made from the schemas of the routes) and a page at `/docs`. To be called before the routes are added. */
export async function installOpenApi(app: FastifyInstance) {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'NoProp Studio',
        description: 'Trains image classifiers without end-to-end back-propagation, and serves them.',
        version: app.build.version,
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }, {}],
      tags: [
        { name: 'runs', description: 'Training' },
        { name: 'datasets' },
        { name: 'predictions' },
        { name: 'system' },
        { name: 'session', description: 'Login of the dashboard' },
      ],
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, i) => (typeof json.$id === 'string' ? json.$id : `def-${i}`) },
  })
  await app.register(swaggerUi, { routePrefix: '/docs', uiConfig: { docExpansion: 'list', validatorUrl: null } })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
