import { setImmediate, setTimeout } from 'node:timers/promises'
import { ClientMessage, CloseCode, type ServerMessage } from '@noprop/contract'
import type { FastifyInstance } from 'fastify'
import { Compile } from 'typebox/compile'
import type { WebSocket } from 'ws'
import { ApiError } from '../api-error.ts'
import { problemOf } from '../plugins/error-handler.ts'
import { eventsMessage, type Follower, messageBytes, type RunChannels } from './run-channels.ts'

export interface ConnectionLimits {
  /** unsent bytes from half of which on a client counts as not reading */
  readonly maxBufferedBytes: number
  /** how long it may do so */
  readonly slowClientMs: number
  /** time between two signs of life that are asked of a client */
  readonly pingIntervalMs: number
}

export interface ConnectionParts {
  readonly app: FastifyInstance
  readonly channels: RunChannels
  readonly limits: ConnectionLimits
}

/** Messages of a client in a row, after which it is taken for broken; ten a second are forgiven. */
const messageBurst = 100
const messagesPerSecond = 10
const maxSubscriptions = 100
/** How long a client has to answer a close. */
export const farewellMs = 1000
/** Pause before it is seen again whether what was sent has gone out. */
const drainPauseMs = 20

const isClientMessage = Compile(ClientMessage)

/** One client: what it subscribed to, and how fast it reads. */
export class StreamConnection {
  readonly #parts: ConnectionParts
  readonly #socket: WebSocket
  readonly #requestId: string
  readonly #subscriptions = new Map<string, () => void>()
  #slowSince: number | null = null
  #isAlive = true
  #askedAt = performance.now()
  #allowance = messageBurst
  #allowanceAt = performance.now()

  constructor(parts: ConnectionParts, socket: WebSocket, requestId: string) {
    this.#parts = parts
    this.#socket = socket
    this.#requestId = requestId
    socket.on('pong', () => (this.#isAlive = true))
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary))
    socket.on('error', (error) => parts.app.log.debug({ err: error }, 'a stream ended in an error'))
  }

  close() {
    for (const unsubscribe of this.#subscriptions.values()) unsubscribe()
    this.#subscriptions.clear()
  }

  /** To be called now and then: closes a client that does not read, or that is gone. */
  check(now: number) {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    if (this.#isTooSlow(now)) {
      this.#socket.close(CloseCode.clientTooSlow, 'the client does not read what it subscribed to')
      // the close frame queues behind what the client does not read
      void setTimeout(farewellMs, undefined, { ref: false }).then(() => this.#socket.terminate())
      return this.close()
    }
    if (now - this.#askedAt < this.#parts.limits.pingIntervalMs) return
    if (!this.#isAlive) return this.#socket.terminate()
    this.#askedAt = now
    this.#isAlive = false
    this.#socket.ping()
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
    const { app, channels } = this.#parts
    let isCurrent = true
    const fail = (error: Error) => {
      if (!isCurrent) return
      this.#unsubscribe(runId)
      this.#sendError(error)
    }
    const follower: Follower = { seq: 0, send: (message) => this.#send(message), fail }
    this.#subscriptions.set(runId, () => {
      isCurrent = false
      channels.leave(runId, follower)
    })
    try {
      const run = await app.runs.get(runId)
      if (!isCurrent) return
      this.#send(messageBytes({ type: 'snapshot', run }))
      follower.seq = Math.min(after ?? run.last_seq, run.last_seq)
      // while it reads, the others may be told of more
      while (follower.seq < run.last_seq || !channels.join(runId, follower)) {
        const events = await app.events.readPage(runId, follower.seq)
        await this.#drained()
        if (!isCurrent || events.length === 0) return
        follower.seq = events.at(-1)!.seq
        this.#send(eventsMessage(runId, events))
      }
      this.#send(messageBytes({ type: 'caught_up', run_id: runId, seq: follower.seq }))
    } catch (error) {
      if (!(error instanceof ApiError)) app.log.error({ err: error }, 'a run could not be read for a stream')
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
    if (!this.#subscriptions.has(key))
      this.#subscriptions.set(
        key,
        this.#parts.channels.followAllRuns((message) => this.#send(message)),
      )
  }

  /** @param message in UTF-8; may be sent to others as well */
  #send(message: Buffer) {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(message, { binary: false })
  }

  #sendError(error: Error) {
    const message: ServerMessage = { type: 'error', problem: problemOf(error, { id: this.#requestId }) }
    this.#send(messageBytes(message))
  }

  /** Until what was sent has gone out for the most part, so that a long history waits on the disk and not in memory; and until others had their turn. */
  async #drained() {
    await setImmediate()
    while (this.#socket.readyState === this.#socket.OPEN && this.#socket.bufferedAmount > this.#parts.limits.maxBufferedBytes / 2) {
      await setTimeout(drainPauseMs)
    }
  }

  #isTooSlow(now: number): boolean {
    if (this.#socket.bufferedAmount < this.#parts.limits.maxBufferedBytes / 2) {
      this.#slowSince = null
      return false
    }
    this.#slowSince ??= now
    return now - this.#slowSince >= this.#parts.limits.slowClientMs
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
