import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { api } from '../route-schema.ts'

const Health = Type.Object({ status: Type.Literal('ok') })

/** For supervisors: `/livez` answers while the process runs, `/readyz` while it can serve. */
export function installHealth(app: FastifyInstance) {
  const config = { public: true }
  api(app).get(
    '/livez',
    { config, schema: { tags: ['system'], summary: 'The process is alive', response: { 200: Health } } },
    async () => ({
      status: 'ok' as const,
    }),
  )
  api(app).get(
    '/readyz',
    { config, schema: { tags: ['system'], summary: 'The server can serve', response: { 200: Health } } },
    async () => {
      await app.db.$queryRaw`SELECT 1`
      return { status: 'ok' as const }
    },
  )
}
