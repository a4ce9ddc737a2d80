import type { Page, RunEvent } from '@noprop/contract'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { smallRun, TestServer } from './support/test-server.ts'

let server: TestServer
let finished: string
beforeAll(async () => {
  server = await TestServer.start()
  finished = (await server.ended((await server.createRun(smallRun())).id)).id
})
afterAll(() => server.close())

interface SentEvent {
  readonly id: string
  readonly event: string
  readonly data: RunEvent
}

/** Reads server-sent events until the stream ends, or until there are `limit`. */
async function readStream(path: string, { headers = {}, limit = Infinity }: { headers?: Record<string, string>; limit?: number } = {}) {
  const abort = new AbortController()
  const response = await fetch(server.url + path, { headers: { accept: 'text/event-stream', ...headers }, signal: abort.signal })
  const events: SentEvent[] = []
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const parts = text.split('\n\n')
    text = parts.pop()!
    for (const part of parts) {
      const fields = Object.fromEntries(
        part.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      )
      if (fields['id']) events.push({ id: fields['id'], event: fields['event']!, data: JSON.parse(fields['data']!) as RunEvent })
    }
    if (events.length >= limit) break
  }
  abort.abort()
  return { response, events: events.slice(0, limit) }
}

describe('the event stream', () => {
  test('of a run that has ended tells the whole history and ends', async () => {
    const { response, events } = await readStream(`/v1/runs/${finished}/events`)
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(events.map(({ data }) => data)).toEqual(await server.events(finished))
    expect(events.every(({ id, event, data }) => id === String(data.seq) && event === data.type)).toBe(true)
  })

  test('of a live run that is resumed by Last-Event-ID has no gap and no duplicate', async () => {
    const { id } = await server.createRun(smallRun({ eta: 10 }))
    const first = await readStream(`/v1/runs/${id}/events`, { limit: 5 })
    const second = await readStream(`/v1/runs/${id}/events`, { headers: { 'last-event-id': '5' } })
    expect([...first.events, ...second.events].map(({ data }) => data)).toEqual(await server.events(id))
    expect(second.events.at(-1)!.data).toMatchObject({ type: 'status', status: 'succeeded' })
  })

  test('starts after ?after=, which Last-Event-ID overrides', async () => {
    expect((await readStream(`/v1/runs/${finished}/events?after=3`)).events[0]!.id).toBe('4')
    const resumed = await readStream(`/v1/runs/${finished}/events?after=3`, { headers: { 'last-event-id': '10' } })
    expect(resumed.events[0]!.id).toBe('11')
  })

  test('that has nothing more to tell answers 204, so that browsers stop asking', async () => {
    const { last_seq: seq } = await server.run(finished)
    const response = await fetch(`${server.url}/v1/runs/${finished}/events`, { headers: { 'last-event-id': String(seq) } })
    expect(response.status).toBe(204)
  })

  test.for(['last week', '-1', '1e3', '2147483648'])('refuses a Last-Event-ID of %s', async (id) => {
    const response = await fetch(`${server.url}/v1/runs/${finished}/events`, { headers: { 'last-event-id': id } })
    expect(response.status).toBe(400)
  })
})

describe('the history as JSON', () => {
  test('comes in pages that join without gap', async () => {
    const all = await server.events(finished)
    const first = await server.get<Page<RunEvent>>(`/v1/runs/${finished}/events?page_size=7`)
    const second = await server.get<Page<RunEvent>>(`/v1/runs/${finished}/events?page_size=7&page_token=${first.body.next_page_token}`)
    expect([...first.body.items, ...second.body.items]).toEqual(all.slice(0, 14))
    const last = await server.get<Page<RunEvent>>(`/v1/runs/${finished}/events?after=${all.length - 1}`)
    expect(last.body).toEqual({ items: all.slice(-1), next_page_token: null })
  })

  test.for(['page_size=1001', 'after=-1', 'after=1e300', 'after=2147483648', 'page_token=x', 'page_token=2147483648', 'since=1'])(
    'refuses ?%s',
    async (query) => {
      expect((await server.get(`/v1/runs/${finished}/events?${query}`)).status).toBe(400)
    },
  )
})
