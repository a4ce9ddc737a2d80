import { Checkpoint, PageQuery, pageOf } from '@noprop/contract'
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { keysetPage } from '../page-token.ts'
import { answers, api } from '../route-schema.ts'
import { RunParams } from '../runs/run-routes.ts'

export async function checkpointRoutes(app: FastifyInstance) {
  api(app).route({
    method: 'GET',
    url: '/v1/runs/:run_id/checkpoints',
    schema: {
      tags: ['runs'],
      summary: 'Checkpoints that are kept of a run, newest first',
      params: RunParams,
      querystring: Type.Object(PageQuery, { additionalProperties: false }),
      response: answers({ 200: pageOf(Checkpoint) }),
    },
    handler: async ({ params, query }) => {
      const run = await app.runs.get(params.run_id)
      return keysetPage(query, async ({ before, limit }) => {
        const where = { runId: run.id, id: before ? { lt: before } : undefined }
        const rows = await app.db.checkpoint.findMany({ where, orderBy: { id: 'desc' }, take: limit })
        return rows.map((row) => ({
          id: row.id,
          run_id: row.runId,
          block: row.block,
          epoch: row.epoch,
          step: row.step,
          sha256: row.sha256,
          size_bytes: row.sizeBytes,
          created_at: row.createdAt.toISOString(),
        }))
      })
    },
  })
}
