import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { randomBytes } from 'node:crypto'
import { type ClientMessage, isFinal, type RunEvent, type ServerMessage } from '@noprop/contract'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { logEvent } from '../src/events/event-log.ts'
import { streamLimits } from '../src/events/event-socket.ts'
import { eventsMessage } from '../src/events/run-channels.ts'
import { smallRun, TestServer, until } from './support/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start({ options: { stream: { ...streamLimits, maxBufferedBytes: 100_000, slowClientMs: 400 } } })
})
afterAll(() => server.close())

/** A client of the stream that keeps what it hears. */
class Client {
  readonly socket: WebSocket
  readonly messages: ServerMessage[] = []
  readonly times: number[] = []
  readonly closed: Promise<number>

  private constructor(socket: WebSocket) {
    this.socket = socket
    this.closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('message', (data: Buffer) => {
      this.messages.push(JSON.parse(data.toString()) as ServerMessage)
      this.times.push(performance.now())
    })
  }

  static async open(options: { headers?: Record<string, string> } = {}): Promise<Client> {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/v1/stream`, options)
    const client = new Client(socket)
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    return client
  }

  say(message: ClientMessage | string | Buffer) {
    this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message))
  }

  of<T extends ServerMessage['type']>(type: T) {
    return this.messages.filter((message): message is Extract<ServerMessage, { type: T }> => message.type === type)
  }

  events(): RunEvent[] {
    return this.of('events').flatMap(({ events }) => events)
  }

  async hears(type: ServerMessage['type'], count = 1) {
    return until(() => this.of(type).length >= count, `the client hears ${type}`)
  }

  async hearsTheEnd(seconds = 10) {
    return until(() => this.isOver, 'the client hears the end of the run', seconds)
  }

  /** The newest event that it has heard ends the run. */
  get isOver(): boolean {
    const message = this.messages.findLast(({ type }) => type === 'events')
    const last = message?.type === 'events' ? message.events.at(-1) : undefined
    return last?.type === 'status' && isFinal(last.status)
  }
}

describe('a subscription', () => {
  test('without after gets the snapshot and what follows it, without gap', async () => {
    const { id } = await server.createRun(smallRun({ eta: 10 }))
    const client = await Client.open()
    client.say({ type: 'subscribe', run_id: id })
    await client.hearsTheEnd()
    const [snapshot] = client.of('snapshot')
    expect(client.messages[0]).toBe(snapshot)
    expect(client.of('caught_up')).toEqual([{ type: 'caught_up', run_id: id, seq: snapshot!.run.last_seq }])
    const history = await server.events(id)
    expect(client.events()).toEqual(history.filter(({ seq }) => seq > snapshot!.run.last_seq))
    client.socket.close()
  })

  test('that is dropped and resumed, again and again, hears exactly the history that REST tells', async () => {
    const { id } = await server.createRun(smallRun({ eta: 20, epochs: 2 }))
    const heard: RunEvent[] = []
    for (let isOver = false; !isOver;) {
      const client = await Client.open()
      client.say({ type: 'subscribe', run_id: id, after: heard.at(-1)?.seq ?? 0 })
      await client.hears('caught_up')
      await new Promise((resolve) => setTimeout(resolve, 130))
      client.socket.terminate()
      await client.closed
      heard.push(...client.events())
      const last = heard.at(-1)
      isOver = last?.type === 'status' && last.status === 'succeeded'
    }
    expect(heard).toEqual(await server.events(id))
  })

  test('to a run that has ended replays its whole history and says that this was all', async () => {
    const { id, last_seq } = await server.ended((await server.createRun(smallRun())).id)
    const client = await Client.open()
    client.say({ type: 'subscribe', run_id: id, after: 0 })
    await client.hears('caught_up')
    expect(client.events()).toEqual(await server.events(id))
    expect(client.of('caught_up')[0]!.seq).toBe(last_seq)
    client.socket.close()
  })

  test('hears numbers in at most four messages a second, and what else happens without waiting for them', async () => {
    const { id } = await server.createRun(smallRun({ eta: 10, train_limit: 3200 }))
    const client = await Client.open()
    client.say({ type: 'subscribe', run_id: id })
    await client.hearsTheEnd()
    const numbers = ['block_metrics', 'progress', 'dataset_progress']
    const isNumbers = (message: ServerMessage) => message.type === 'events' && message.events.every((event) => numbers.includes(event.type))
    const times = client.times.filter((_, i) => isNumbers(client.messages[i]!))
    expect(times.length).toBeGreaterThan(3)
    // counted, not timed one by one: a busy machine hands a client two messages at once
    expect(times.length).toBeLessThanOrEqual((times.at(-1)! - times[0]!) / 250 + 2)
    // the server's own clock tells how long a message waited for its last event
    const waits = client.of('events').flatMap(({ events }) => {
      const last = events.at(-1)!
      const arrivedAt = client.times[client.messages.findIndex((message) => message.type === 'events' && message.events === events)]!
      return numbers.includes(last.type) ? [] : [performance.timeOrigin + arrivedAt - Date.parse(last.time)]
    })
    expect(waits.length).toBeGreaterThan(1)
    expect(Math.min(...waits)).toBeLessThan(100)
    client.socket.close()
  })

  test('to an unknown run is answered with a problem, and the connection stays', async () => {
    const client = await Client.open()
    client.say({ type: 'subscribe', run_id: 'run_00000000000000000000000000' })
    await client.hears('error')
    expect(client.of('error')[0]!.problem).toMatchObject({ status: 404, code: 'RUN_NOT_FOUND' })
    expect(client.socket.readyState).toBe(WebSocket.OPEN)
    client.socket.close()
  })

  test('whose news cannot be read is answered with a problem and ends, and can be asked for again', async () => {
    const { id } = await server.createRun(smallRun({ eta: 100 }))
    const client = await Client.open()
    client.say({ type: 'subscribe', run_id: id })
    await client.hears('caught_up')
    const read = vi.spyOn(server.app.events, 'readPage').mockRejectedValueOnce(new Error('disk I/O error'))
    await client.hears('error')
    read.mockRestore()
    expect(client.of('error')[0]!.problem).toMatchObject({ status: 500, code: 'INTERNAL' })
    const count = client.of('events').length
    await server.ended(id)
    expect(client.of('events')).toHaveLength(count)
    client.say({ type: 'subscribe', run_id: id, after: 0 })
    await client.hears('caught_up', 2)
    client.socket.close()
  })

  test('that was ended hears nothing more', async () => {
    const { id } = await server.createRun(smallRun({ eta: 10 }))
    const client = await Client.open()
    client.say({ type: 'subscribe', run_id: id })
    await client.hears('caught_up')
    client.say({ type: 'unsubscribe', run_id: id })
    await new Promise((resolve) => setTimeout(resolve, 100))
    const count = client.messages.length
    await server.ended(id)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(client.messages).toHaveLength(count)
    client.socket.close()
  })
})

test('subscribe_runs tells of every run that changes, with its newest state', async () => {
  const client = await Client.open()
  client.say({ type: 'subscribe_runs' })
  await new Promise((resolve) => setTimeout(resolve, 50))
  const { id } = await server.createRun(smallRun())
  await until(() => client.of('run').some(({ run }) => run.id === id && run.status === 'succeeded'), 'the end is told')
  expect(client.of('run').find(({ run }) => run.id === id)!.run.status).not.toBe('succeeded')
  client.socket.close()
})

describe('a client that misbehaves', () => {
  test.for([
    'no json',
    '[]',
    '{"type":"subscribe"}',
    '{"type":"subscribe","run_id":"x"}',
    '{"type":"subscribe","run_id":"run_00000000000000000000000000","after":1e300}',
    '{"type":"unsubscribe","run_id":"../../etc"}',
    '{"type":"subscribe_runs","x":1}',
    '{"type":"drop"}',
  ])('is answered with a problem: %s', async (text) => {
    const client = await Client.open()
    client.say(text)
    await client.hears('error')
    expect(client.of('error')[0]!.problem).toMatchObject({ status: 400, code: 'VALIDATION_FAILED' })
    client.socket.close()
  })

  test('by binary messages is answered with a problem', async () => {
    const client = await Client.open()
    client.say(randomBytes(20))
    await client.hears('error')
    client.socket.close()
  })

  test('by too large a message is closed with 1009', async () => {
    const client = await Client.open()
    client.say('x'.repeat(10_000))
    expect(await client.closed).toBe(1009)
  })

  test('by too many messages is closed with 1008', async () => {
    const client = await Client.open()
    for (let i = 0; i < 200; i++) client.say('{}')
    expect(await client.closed).toBe(1008)
  })

  test('by not reading is closed with 4408 and costs others nothing', async () => {
    const { socket, received } = await rawClient()
    socket.write(textFrame(JSON.stringify({ type: 'subscribe_runs' })))
    socket.pause()
    const connection = [...server.app.websocketServer.clients].at(-1)
    // more than the buffers of the system take, so that some of it waits in the server
    connection!.send('x'.repeat(32 << 20))
    await until(() => connection!.readyState !== WebSocket.OPEN, 'the server closes it')
    const askedAt = performance.now()
    expect((await server.get('/livez')).status).toBe(200)
    expect(performance.now() - askedAt).toBeLessThan(200)
    socket.resume()
    await until(() => socket.destroyed || socket.readableEnded, 'the connection ends')
    expect(closeCodes(Buffer.concat(received))).toContain(4408)
  })
})

test('hundreds of clients that come at different times, some to leave and return, miss nothing while one does not read', async () => {
  const { id } = await server.createRun(smallRun({ eta: 5, epochs: 2, train_limit: 1280 }))
  const { socket } = await rawClient()
  socket.write(textFrame(JSON.stringify({ type: 'subscribe', run_id: id, after: 0 })))
  socket.pause()
  const histories: RunEvent[][] = []
  const follow = async (number: number) => {
    await new Promise((resolve) => setTimeout(resolve, 5 * number))
    const history: RunEvent[] = []
    for (let isOver = false; !isOver;) {
      const client = await Client.open()
      client.say({ type: 'subscribe', run_id: id, after: history.length })
      // every fourth one leaves in the middle, once
      const isLeaving = number % 4 === 0 && history.length === 0
      if (isLeaving) await new Promise((resolve) => setTimeout(resolve, 200))
      else await client.hearsTheEnd(50)
      isOver = client.isOver
      client.socket.terminate()
      history.push(...client.events())
    }
    histories.push(history)
  }
  await Promise.all(Array.from({ length: 150 }, (_, number) => follow(number)))
  socket.destroy()
  const expected = await server.events(id)
  expect(histories).toHaveLength(150)
  for (const history of histories) expect(history).toEqual(expected)
})

describe('a server that has as many stream clients as it may', () => {
  let small: TestServer
  beforeAll(async () => (small = await TestServer.start({ streamClients: 2 })))
  afterAll(() => small.close())

  const open = () =>
    new Promise<{ socket: WebSocket; status: number; body: string; retryAfter: unknown }>((resolve, reject) => {
      const socket = new WebSocket(`${small.url.replace('http', 'ws')}/v1/stream`)
      socket.on('open', () => resolve({ socket, status: 101, body: '', retryAfter: null }))
      socket.on('error', reject)
      socket.on('unexpected-response', (_request, response) => {
        let body = ''
        response.on('data', (chunk) => (body += String(chunk)))
        response.on('end', () => resolve({ socket, status: response.statusCode!, body, retryAfter: response.headers['retry-after'] }))
      })
    })
  const clients = async () => /^noprop_stream_clients (\d+)$/m.exec((await small.get<string>('/metrics')).body)![1]

  test('refuses another before the upgrade, over both protocols, until one has gone', async () => {
    const { id } = await small.createRun(smallRun({ eta: 20, train_limit: 3200 }))
    const abort = new AbortController()
    const sse = (signal: AbortSignal) => fetch(`${small.url}/v1/runs/${id}/events`, { headers: { accept: 'text/event-stream' }, signal })
    const first = await open()
    expect(first.status).toBe(101)
    const second = await sse(abort.signal)
    expect(second.status).toBe(200)
    expect(await clients()).toBe('2')

    const third = await open()
    expect(third).toMatchObject({ status: 503, retryAfter: '10' })
    expect(JSON.parse(third.body)).toMatchObject({ status: 503, code: 'UNAVAILABLE' })
    const fourth = await sse(new AbortController().signal)
    expect(fourth.status).toBe(503)
    expect(fourth.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    // what is no stream is answered as ever
    expect((await small.get(`/v1/runs/${id}/events`)).status).toBe(200)

    abort.abort()
    await until(async () => (await clients()) === '1', 'the place of the stream is free')
    const fifth = await open()
    expect(fifth.status).toBe(101)
    first.socket.terminate()
    fifth.socket.close()
    await until(async () => (await clients()) === '0', 'all places are free')
  })
})

test('a page of a history is read once, however many ask for it, and put into a message once', async () => {
  const { id } = await server.createRun(smallRun({ eta: 500 }))
  const { events, database } = server.app
  const lines = Array.from({ length: 600 }, (_, i) => logEvent('info', `line ${i}`))
  await database.write((transaction) => events.append(transaction, id, lines))
  await server.request('POST', `/v1/runs/${id}/cancel`)
  const { last_seq } = await server.ended(id)
  const [first, again] = await Promise.all([events.readPage(id, 0), events.readPage(id, 0)])
  expect(first).toHaveLength(500)
  expect(again).toBe(first)
  // writes do not matter to a page that is full
  await server.createRun(smallRun())
  expect(await events.readPage(id, 0)).toBe(first)
  expect(eventsMessage(id, first)).toBe(eventsMessage(id, first))
  // from anywhere to the end of the page, and no further
  expect((await events.readPage(id, 498)).map(({ seq }) => seq)).toEqual([499, 500])
  expect((await events.readPage(id, 500))[0]!.seq).toBe(501)
  expect(await events.readPage(id, last_seq)).toEqual([])
  expect((await events.read(id, 490, 30)).map(({ seq }) => seq)).toEqual(Array.from({ length: 30 }, (_, i) => 491 + i))
})

/** A WebSocket client over a bare socket, which can stop reading. */
async function rawClient() {
  const { port } = server.app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  const received: Buffer[] = []
  const key = randomBytes(16).toString('base64')
  socket.write(
    `GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  )
  await new Promise((resolve) => socket.once('data', resolve))
  socket.on('data', (data: Buffer) => received.push(data))
  socket.on('error', () => {})
  return { socket, received }
}

function textFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  const mask = randomBytes(4)
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, payload.map((byte, i) => byte ^ mask[i % 4]!)])
}

/** Codes of the close frames in what a server sent (whose frames are never masked). */
function closeCodes(data: Buffer): number[] {
  const codes: number[] = []
  for (let at = 0; at + 2 <= data.length;) {
    const opcode = data[at]! & 0x0f
    let length = data[at + 1]! & 0x7f
    let start = at + 2
    if (length === 126) {
      length = data.readUInt16BE(start)
      start += 2
    } else if (length === 127) {
      length = Number(data.readBigUInt64BE(start))
      start += 8
    }
    if (opcode === 8) codes.push(data.readUInt16BE(start))
    at = start + length
  }
  return codes
}
