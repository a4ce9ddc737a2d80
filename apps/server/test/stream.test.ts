import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { randomBytes } from 'node:crypto'
import type { ClientMessage, RunEvent, ServerMessage } from '@noprop/contract'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { streamLimits } from '../src/events/event-socket.ts'
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

  async hearsTheEnd() {
    return until(() => {
      const last = this.events().at(-1)
      return last?.type === 'status' && ['succeeded', 'canceled', 'failed'].includes(last.status)
    }, 'the client hears the end of the run')
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

  test('hears live events in at most four messages a second', async () => {
    const { id } = await server.createRun(smallRun({ eta: 10, train_limit: 3200 }))
    const client = await Client.open()
    client.say({ type: 'subscribe', run_id: id })
    await client.hearsTheEnd()
    const times = client.times.filter((_, i) => client.messages[i]!.type === 'events')
    expect(times.length).toBeGreaterThan(3)
    // counted, not timed one by one: a busy machine hands a client two messages at once
    expect(times.length).toBeLessThanOrEqual((times.at(-1)! - times[0]!) / 250 + 2)
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
    const { id } = await server.createRun(smallRun({ eta: 20 }))
    const client = await Client.open()
    client.say({ type: 'subscribe', run_id: id })
    await client.hears('caught_up')
    const read = vi.spyOn(server.app.events, 'read').mockRejectedValueOnce(new Error('disk I/O error'))
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
