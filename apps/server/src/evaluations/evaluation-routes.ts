import { Evaluation, type EvaluationFacts, PageQuery, pageOf } from '@noprop/contract'
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { keysetPage } from '../page-token.ts'
import { answers, api } from '../route-schema.ts'
import { RunParams } from '../runs/run-routes.ts'

export async function evaluationRoutes(app: FastifyInstance) {
  api(app).route({
    method: 'GET',
    url: '/v1/runs/:run_id/evaluations',
    schema: {
      tags: ['runs'],
      summary: 'Evaluations of a run, newest first',
      params: RunParams,
      querystring: Type.Object(PageQuery, { additionalProperties: false }),
      response: answers({ 200: pageOf(Evaluation) }),
    },
    handler: async ({ params, query }) => {
      const run = await app.runs.get(params.run_id)
      return keysetPage(query, async ({ before, limit }) => {
        const where = { runId: run.id, id: before ? { lt: before } : undefined }
        const rows = await app.db.evaluation.findMany({ where, orderBy: { id: 'desc' }, take: limit })
        return rows.map((row) => ({
          id: row.id,
          run_id: row.runId,
          ...(row.facts as EvaluationFacts),
          created_at: row.createdAt.toISOString(),
        }))
      })
    },
  })
}
