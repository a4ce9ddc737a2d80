import { CreateRun, isFinal, MetricSeriesList, PageQuery, pageOf, Preset, RunId, RunStatus } from '@noprop/contract'
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { clientGone } from '../client-gone.ts'
import { answers, api, component } from '../route-schema.ts'
import { MetricRepository } from './metric-repository.ts'
import { listPresets } from './preset-list.ts'
import { waitForEnd } from './wait-for-end.ts'

export const RunParams = Type.Object({ run_id: RunId })
const tags = ['runs']

export async function runRoutes(app: FastifyInstance) {
  const metrics = new MetricRepository(app.db)

  api(app).route({
    method: 'POST',
    url: '/v1/runs',
    schema: {
      tags,
      summary: 'Queue a training run',
      headers: Type.Object({ 'idempotency-key': Type.Optional(Type.String({ minLength: 1, maxLength: 255 })) }),
      body: CreateRun,
      response: answers({ 201: component('Run') }),
    },
    handler: async (request, reply) => {
      const { run, replayed } = await app.runs.create(request.body, request.headers['idempotency-key'] ?? null)
      if (replayed) reply.header('idempotency-replayed', 'true')
      return reply.code(201).header('location', `/v1/runs/${run.id}`).send(run)
    },
  })

  api(app).route({
    method: 'GET',
    url: '/v1/runs',
    schema: {
      tags,
      summary: 'List runs, newest first',
      querystring: Type.Object({ status: Type.Optional(RunStatus), ...PageQuery }, { additionalProperties: false }),
      response: answers({ 200: pageOf(component('Run')) }),
    },
    handler: async ({ query }) => app.runs.list(query),
  })

  api(app).route({
    method: 'GET',
    url: '/v1/runs/:run_id',
    schema: {
      tags,
      summary: 'Get a run; with wait_seconds, wait for its end',
      params: RunParams,
      querystring: Type.Object(
        {
          wait_seconds: Type.Optional(
            Type.Integer({ minimum: 0, maximum: 300, description: 'answer when the run has ended, or after this time' }),
          ),
        },
        { additionalProperties: false },
      ),
      response: answers({ 200: component('Run') }),
    },
    handler: async (request, reply) => {
      const run = await app.runs.get(request.params.run_id)
      const { wait_seconds: seconds } = request.query
      if (!seconds || isFinal(run.status)) return run
      await waitForEnd(app, run.id, { timeoutMs: seconds * 1000, signal: AbortSignal.any([clientGone(reply), app.closing]) })
      return app.runs.get(run.id)
    },
  })

  api(app).route({
    method: 'POST',
    url: '/v1/runs/:run_id/cancel',
    schema: { tags, summary: 'Cancel a run', params: RunParams, response: answers({ 202: component('Run') }) },
    handler: async ({ params }, reply) => reply.code(202).send(await app.runs.cancel(params.run_id)),
  })

  api(app).route({
    method: 'DELETE',
    url: '/v1/runs/:run_id',
    schema: { tags, summary: 'Delete a run that has ended, with its files', params: RunParams, response: answers({ 204: Type.Null() }) },
    handler: async ({ params }, reply) => {
      await app.runs.delete(params.run_id)
      return reply.code(204).send(null)
    },
  })

  api(app).route({
    method: 'GET',
    url: '/v1/runs/:run_id/metrics',
    schema: {
      tags,
      summary: 'Metric histories, downsampled',
      params: RunParams,
      querystring: Type.Object(
        {
          name: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
          block: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
          max_points: Type.Optional(Type.Integer({ minimum: 2, maximum: 5000, default: 500, description: 'per series' })),
        },
        { additionalProperties: false },
      ),
      response: answers({ 200: MetricSeriesList }),
    },
    handler: async ({ params, query }) => {
      const run = await app.runs.get(params.run_id)
      return { items: await metrics.series(run.id, { name: query.name, block: query.block, maxPoints: query.max_points ?? 500 }) }
    },
  })

  api(app).route({
    method: 'GET',
    url: '/v1/presets',
    schema: {
      tags,
      summary: 'Named starting points, with estimates for this machine',
      response: answers({ 200: Type.Object({ items: Type.Array(Preset) }) }),
    },
    handler: async () => ({ items: await listPresets(app.config, app.db) }),
  })
}
