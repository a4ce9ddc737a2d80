import { ClientMessage, CloseCode, type ServerMessage } from '@noprop/contract'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import { Compile } from 'typebox/compile'
import type { Gauge } from 'prom-client'
import type { WebSocket } from 'ws'
import { ApiError } from '../api-error.ts'
import { problemOf } from '../plugins/error-handler.ts'
import { WebSocketOnlyRequest } from '../plugins/protocol-errors.ts'
import { createThrottle, type Throttle } from './throttle.ts'

export interface StreamLimits {
  /** shortest time between two messages about the same run */
  readonly messageIntervalMs: number
  /** unsent bytes from which on a client counts as not reading */
  readonly maxBufferedBytes: number
  /** how long it may do so */
  readonly slowClientMs: number
  readonly pingIntervalMs: number
}

export const streamLimits: StreamLimits = { messageIntervalMs: 250, maxBufferedBytes: 1 << 20, slowClientMs: 5000, pingIntervalMs: 20_000 }

const maxMessageBytes = 4096
/** Messages of a client in a row, after which it is taken for broken; ten a second are forgiven. */
const messageBurst = 100
const messagesPerSecond = 10
const maxSubscriptions = 100
/** How long a client has to answer a close. */
const farewellMs = 1000
/** Events in one message. */
const eventsPerMessage = 500

const isClientMessage = Compile(ClientMessage)

/** `WS /v1/stream`: live histories of runs, resumable by their `seq`. */
export async function eventSocket(app: FastifyInstance, { limits, clients }: { limits: StreamLimits; clients: Gauge }) {
  await app.register(websocket, {
    options: { maxPayload: maxMessageBytes, perMessageDeflate: false },
    preClose(done) {
      // a client that does not answer the close would otherwise hold up the end of the server
      for (const client of app.websocketServer.clients) {
        client.close(1001, 'the server is shutting down')
        setTimeout(() => client.terminate(), farewellMs).unref()
      }
      app.websocketServer.close(() => done())
    },
  })
  // the socket of a refused upgrade belongs to nobody any more: left open, it would hold up the end of the server
  app.addHook('onResponse', async ({ raw }) => {
    if (raw instanceof WebSocketOnlyRequest && raw.upgrade) raw.socket.destroySoon()
  })
  app.register(async (scope) => {
    scope.route({
      method: 'GET',
      url: '/v1/stream',
      config: { public: true, unmeasured: true },
      schema: { hide: true },
      handler: async (_request, reply) => {
        reply.header('upgrade', 'websocket').header('connection', 'upgrade, close')
        throw new ApiError('UPGRADE_REQUIRED', 'This is a WebSocket', { status: 426, title: 'Another protocol is needed' })
      },
      wsHandler: (socket, request) => {
        // a browser learns nothing of a refused upgrade, so authentication is answered on the open socket
        if (!request.isAuthenticated) return socket.close(CloseCode.unauthenticated, 'authentication is needed')
        clients.inc()
        const connection = new StreamConnection(app, socket, request.id, limits)
        socket.on('close', () => {
          clients.dec()
          connection.close()
        })
      },
    })
  })
}

/** One client: what it subscribed to, and how fast it reads. */
class StreamConnection {
  readonly #app: FastifyInstance
  readonly #socket: WebSocket
  readonly #requestId: string
  readonly #limits: StreamLimits
  readonly #subscriptions = new Map<string, () => void>()
  readonly #watch: NodeJS.Timeout
  readonly #pinger: NodeJS.Timeout
  #slowSince: number | null = null
  #isAlive = true
  #allowance = messageBurst
  #allowanceAt = performance.now()

  constructor(app: FastifyInstance, socket: WebSocket, requestId: string, limits: StreamLimits) {
    this.#app = app
    this.#socket = socket
    this.#requestId = requestId
    this.#limits = limits
    this.#watch = setInterval(() => this.#checkSpeed(), Math.min(500, limits.slowClientMs / 2))
    this.#pinger = setInterval(() => this.#ping(), limits.pingIntervalMs)
    socket.on('pong', () => (this.#isAlive = true))
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary))
    socket.on('error', (error) => app.log.debug({ err: error }, 'a stream ended in an error'))
  }

  close() {
    clearInterval(this.#watch)
    clearInterval(this.#pinger)
    for (const unsubscribe of this.#subscriptions.values()) unsubscribe()
    this.#subscriptions.clear()
  }

  #receive(data: Buffer, isBinary: boolean) {
    if (!this.#takeAllowance()) return this.#socket.close(1008, 'too many messages')
    const message = isBinary ? null : parseJson(data.toString('utf8'))
    if (!isClientMessage.Check(message)) {
      return this.#sendError(new ApiError('VALIDATION_FAILED', 'This is none of the messages subscribe, unsubscribe and subscribe_runs'))
    }
    if (message.type === 'unsubscribe') return this.#unsubscribe(message.run_id)
    if (message.type === 'subscribe_runs') return this.#subscribeRuns()
    void this.#subscribe(message.run_id, message.after)
  }

  async #subscribe(runId: string, after: number | undefined) {
    this.#unsubscribe(runId)
    if (this.#subscriptions.size >= maxSubscriptions)
      return this.#sendError(new ApiError('UNPROCESSABLE', `One connection follows at most ${maxSubscriptions} runs`))
    let cursor = 0
    let isCurrent = true
    const sendNews = async () => {
      const events = await this.#app.events.read(runId, cursor, eventsPerMessage)
      if (!isCurrent || events.length === 0) return
      cursor = events.at(-1)!.seq
      this.#send({ type: 'events', run_id: runId, events })
      if (events.length === eventsPerMessage) throttle.request()
    }
    const fail = (error: Error) => {
      if (!isCurrent) return
      this.#unsubscribe(runId)
      if (!(error instanceof ApiError)) this.#app.log.error({ err: error }, 'a run could not be read for a stream')
      this.#sendError(error)
    }
    const throttle = createThrottle(this.#limits.messageIntervalMs, sendNews, fail)
    let stopListening = () => {}
    this.#subscriptions.set(runId, () => {
      isCurrent = false
      throttle.stop()
      stopListening()
    })
    try {
      const run = await this.#app.runs.get(runId)
      if (!isCurrent) return
      this.#send({ type: 'snapshot', run })
      cursor = Math.min(after ?? run.last_seq, run.last_seq)
      while (cursor < run.last_seq) {
        const events = (await this.#app.events.read(runId, cursor, eventsPerMessage)).filter(({ seq }) => seq <= run.last_seq)
        await this.#drained()
        if (!isCurrent || events.length === 0) return
        cursor = events.at(-1)!.seq
        this.#send({ type: 'events', run_id: runId, events })
      }
      this.#send({ type: 'caught_up', run_id: runId, seq: cursor })
      stopListening = this.#app.events.onChange(runId, () => throttle.request())
      throttle.request()
    } catch (error) {
      fail(error as Error)
    }
  }

  #unsubscribe(key: string) {
    this.#subscriptions.get(key)?.()
    this.#subscriptions.delete(key)
  }

  /** A `run` message for every run that changes, with its newest state. */
  #subscribeRuns() {
    const key = 'runs'
    if (this.#subscriptions.has(key)) return
    const throttles = new Map<string, Throttle>()
    const fail = (error: Error) => {
      // a run that was deleted meanwhile has nothing to say
      if (!(error instanceof ApiError)) this.#app.log.error({ err: error }, 'a run could not be read for a stream')
    }
    const stopListening = this.#app.events.onChange(null, (runId) => {
      let throttle = throttles.get(runId)
      if (!throttle) throttles.set(runId, (throttle = createThrottle(this.#limits.messageIntervalMs, () => this.#sendRun(runId), fail)))
      throttle.request()
    })
    this.#subscriptions.set(key, () => {
      stopListening()
      for (const throttle of throttles.values()) throttle.stop()
    })
  }

  async #sendRun(runId: string) {
    this.#send({ type: 'run', run: await this.#app.runs.get(runId) })
  }

  #send(message: ServerMessage) {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message))
  }

  #sendError(error: Error) {
    this.#send({ type: 'error', problem: problemOf(error, { id: this.#requestId }) })
  }

  /** Until what was sent has gone out for the most part, so that a long history waits on the disk and not in memory. */
  async #drained() {
    while (this.#socket.readyState === this.#socket.OPEN && this.#socket.bufferedAmount > this.#limits.maxBufferedBytes / 2) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  #checkSpeed() {
    if (this.#socket.bufferedAmount < this.#limits.maxBufferedBytes / 2) {
      this.#slowSince = null
      return
    }
    this.#slowSince ??= performance.now()
    if (performance.now() - this.#slowSince < this.#limits.slowClientMs) return
    this.#socket.close(CloseCode.clientTooSlow, 'the client does not read what it subscribed to')
    // the close frame queues behind what the client does not read
    setTimeout(() => this.#socket.terminate(), farewellMs).unref()
    this.close()
  }

  #ping() {
    if (!this.#isAlive) return this.#socket.terminate()
    this.#isAlive = false
    this.#socket.ping()
  }

  #takeAllowance(): boolean {
    const now = performance.now()
    this.#allowance = Math.min(messageBurst, this.#allowance + ((now - this.#allowanceAt) / 1000) * messagesPerSecond)
    this.#allowanceAt = now
    return --this.#allowance >= 0
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
