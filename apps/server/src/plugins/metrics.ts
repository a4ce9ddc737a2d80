import type { FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What other parts count. */
export interface ServerMetrics {
  readonly registry: Registry
  readonly eventsStored: Counter
  readonly trainerRestarts: Counter
  readonly streamClients: Gauge
  readonly predictionBatches: Histogram
}

/** Prometheus metrics of the process, its requests and its work. No label takes a value from a request, such as a run id. */
export function createServerMetrics(): ServerMetrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'noprop_' })
  const registers = [registry]
  return {
    registry,
    eventsStored: new Counter({ name: 'noprop_events_stored_total', help: 'events appended to the histories of runs', registers }),
    trainerRestarts: new Counter({ name: 'noprop_trainer_restarts_total', help: 'trainer processes that ended unasked', registers }),
    streamClients: new Gauge({ name: 'noprop_stream_clients', help: 'open WebSocket and event-stream connections', registers }),
    predictionBatches: new Histogram({
      name: 'noprop_prediction_batch_images',
      help: 'images that were put through a network together',
      buckets: [1, 2, 4, 8, 16, 32],
      registers,
    }),
  }
}

export function installMetrics(app: FastifyInstance, { registry }: ServerMetrics) {
  const duration = new Histogram({
    name: 'noprop_http_request_duration_seconds',
    help: 'time to answer a request, by route pattern; streams and long polls are left out',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers: [registry],
  })
  new Gauge({
    name: 'noprop_runs',
    help: 'runs by status',
    labelNames: ['status'],
    registers: [registry],
    async collect() {
      const rows = await app.db.run.groupBy({ by: ['status'], _count: true })
      this.reset()
      for (const row of rows) this.set({ status: row.status }, row._count)
    },
  })
  new Gauge({
    name: 'noprop_trainers',
    help: 'trainer slots by state',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      this.reset()
      for (const slot of app.trainers.slots()) this.inc({ state: slot.state })
    },
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url
    if (request.is404 || !route || request.routeOptions.config.unmeasured || 'wait_seconds' in Object(request.query)) return
    duration.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000)
  })
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  )
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Takes as long as its client likes: kept out of the histogram of request times. */
    unmeasured?: boolean
  }
}
