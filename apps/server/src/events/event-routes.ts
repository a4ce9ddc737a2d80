import { Readable } from 'node:stream'
import { isFinal, maxSeq, pageOf, type RunEvent } from '@noprop/contract'
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { ApiError } from '../api-error.ts'
import { clientGone } from '../client-gone.ts'
import { answers, api, component } from '../route-schema.ts'
import { RunParams } from '../runs/run-routes.ts'

/** Silence after which a comment shows proxies and clients that the stream is alive. */
const keepAliveMs = 15_000

const EventsQuery = Type.Object(
  {
    after: Type.Optional(Type.Integer({ minimum: 0, maximum: maxSeq, description: 'only events with a greater seq' })),
    page_size: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 500 })),
    page_token: Type.Optional(Type.String({ pattern: '^[0-9]{1,15}$' })),
  },
  { additionalProperties: false },
)

/** The history of a run: a page of JSON, or a stream of server-sent events that goes on until the run has ended. */
export async function eventRoutes(app: FastifyInstance) {
  api(app).route({
    method: 'GET',
    url: '/v1/runs/:run_id/events',
    config: { unmeasured: true },
    schema: {
      tags: ['runs'],
      summary: 'History of a run: server-sent events (resumed by Last-Event-ID or after), or with Accept: application/json a page',
      params: RunParams,
      querystring: EventsQuery,
      headers: Type.Object({
        accept: Type.Optional(Type.String()),
        'last-event-id': Type.Optional(Type.String({ pattern: '^[0-9]{0,15}$' })),
      }),
      produces: ['application/json', 'text/event-stream'],
      response: answers({
        200: pageOf(component('RunEvent')),
        204: Type.Null({ description: 'the run has ended and every event was received' }),
      }),
    },
    handler: async (request, reply) => {
      const run = await app.runs.get(request.params.run_id)
      const { query, headers } = request
      if (headers.accept?.includes('application/json')) {
        const after = seqOf('/page_token', query.page_token) ?? query.after ?? 0
        return readPage(app, run.id, after, query.page_size ?? 500)
      }
      const after = seqOf('/last-event-id', headers['last-event-id']) ?? query.after ?? 0
      // 204 is how an EventSource is told not to connect again
      if (isFinal(run.status) && after >= run.last_seq) return reply.code(204).send(null)
      app.streamSlots.take(reply, reply.raw)
      const events = followEvents(app, run.id, after, AbortSignal.any([clientGone(reply), app.closing]))
      return reply
        .header('content-type', 'text/event-stream; charset=utf-8')
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no')
        .send(Readable.from(asServerSentEvents(events), { objectMode: false }) as never)
    },
  })
}

/** The number in a text of digits; undefined where there is none. */
function seqOf(pointer: string, text: string | undefined): number | undefined {
  if (!text) return undefined
  const seq = Number(text)
  if (seq <= maxSeq) return seq
  const detail = `must be at most ${maxSeq}`
  throw new ApiError('VALIDATION_FAILED', `${pointer} ${detail}`, { errors: [{ pointer, detail }] })
}

async function readPage(app: FastifyInstance, runId: string, after: number, size: number) {
  const events = await app.events.read(runId, after, size + 1)
  const items = events.slice(0, size)
  return { items, next_page_token: events.length > size ? String(items.at(-1)!.seq) : null }
}

/** Batches of events after `after`, in order, as they come; an empty one when there was none for a while. Ends with the run or the signal. */
async function* followEvents(app: FastifyInstance, runId: string, after: number, signal: AbortSignal): AsyncGenerator<readonly RunEvent[]> {
  let cursor = after
  let wake = () => {}
  const stopListening = app.events.onChange(runId, () => wake())
  signal.addEventListener('abort', () => wake(), { once: true })
  try {
    while (!signal.aborted) {
      const changed = new Promise<void>((resolve) => (wake = resolve))
      // asked before the events are read, so that none of a run that ends in between is left out
      const goesOn = await isStillOpen(app, runId)
      const events = await app.events.readPage(runId, cursor)
      if (events.length > 0) {
        yield events
        cursor = events.at(-1)!.seq
      } else {
        if (!goesOn) return
        if (await isSilent(changed)) yield []
      }
    }
  } finally {
    stopListening()
  }
}

/** Whether more events may come. */
async function isStillOpen(app: FastifyInstance, runId: string): Promise<boolean> {
  try {
    return !isFinal((await app.runs.get(runId)).status)
  } catch (error) {
    if (error instanceof ApiError) return false
    throw error
  }
}

/** Whether nothing happened for the time of a keep-alive. */
async function isSilent(changed: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, keepAliveMs, true)))
  const result = await Promise.race([changed.then(() => false), silence])
  clearTimeout(timer)
  return result
}

async function* asServerSentEvents(batches: AsyncIterable<readonly RunEvent[]>): AsyncGenerator<string> {
  yield 'retry: 1000\n\n'
  for await (const events of batches) {
    if (events.length === 0) yield ': alive\n\n'
    else yield events.map((event) => `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
  }
}
