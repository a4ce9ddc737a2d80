import { setImmediate } from 'node:timers/promises'
import { isFinal, type RunEvent, type ServerMessage } from '@noprop/contract'
import type { FastifyBaseLogger } from 'fastify'
import { ApiError } from '../api-error.ts'
import type { RunService } from '../runs/run-service.ts'
import type { EventLog } from './event-log.ts'
import { createThrottle, type Throttle } from './throttle.ts'

/** Shortest times between two messages to a client about the same run, in milliseconds. */
export interface MessageIntervals {
  /** after which an event goes out that says more than numbers, and with it all before it */
  readonly state: number
  /** after which numbers go out: metrics and progress */
  readonly numbers: number
  /** after which a run goes out in full, to those who follow all; one whose status has changed does not wait for so long */
  readonly run: number
  /** clients from which on numbers and runs go out less often, in proportion: it is the sending that costs, and training pays for it */
  readonly crowd: number
}

/** Clients that are sent something before others have their turn. */
const sendBatch = 250

/** A client that has what there is of a run, and wants what comes. */
export interface Follower {
  /** seq of the newest event that it was sent */
  seq: number
  send(message: Buffer): void
  /** No more will come. */
  fail(error: Error): void
}

export interface ChannelParts {
  readonly events: EventLog
  readonly runs: RunService
  readonly intervals: MessageIntervals
  readonly log: FastifyBaseLogger
}

/** Tells clients what happens to runs. However many follow a run, its news are read, put into a message and turned into bytes once. */
export class RunChannels {
  readonly #parts: ChannelParts
  readonly #channels = new Map<string, RunChannel>()
  readonly #allRuns: AllRunsChannel

  constructor(parts: ChannelParts) {
    this.#parts = parts
    this.#allRuns = new AllRunsChannel(parts)
  }

  /**
   * From now on the follower is sent what happens to the run.
   *
   * @returns false: others have been sent more than it has; it must read that first
   */
  join(runId: string, follower: Follower): boolean {
    let channel = this.#channels.get(runId)
    if (!channel) {
      channel = new RunChannel(runId, follower.seq, this.#parts, () => this.#channels.delete(runId))
      this.#channels.set(runId, channel)
    }
    return channel.join(follower)
  }

  leave(runId: string, follower: Follower) {
    this.#channels.get(runId)?.leave(follower)
  }

  /** Sends every run that changes, in its newest state; the answer ends that. */
  followAllRuns(send: (message: Buffer) => void): () => void {
    return this.#allRuns.join(send)
  }
}

/** What happens to one run, for those who follow it. */
class RunChannel {
  readonly #runId: string
  readonly #parts: ChannelParts
  readonly #onEmpty: () => void
  readonly #followers = new Set<Follower>()
  readonly #throttle: Throttle
  readonly #stopListening: () => void
  /** seq of the newest event that was, or is being, sent to all */
  #seq: number
  /** seq of the newest event that there is, as far as it was told */
  #newest = 0

  constructor(runId: string, seq: number, parts: ChannelParts, onEmpty: () => void) {
    this.#runId = runId
    this.#seq = seq
    this.#parts = parts
    this.#onEmpty = onEmpty
    const { state, numbers, crowd } = parts.intervals
    this.#throttle = createThrottle(
      () => this.#sendNews(),
      (error) => this.#fail(error),
    )
    this.#stopListening = parts.events.onChange(runId, (_, news) => {
      this.#newest = news.at(-1)!.seq
      this.#throttle.request(news.every(isNumbers) ? numbers * crowding(this.#followers.size, crowd) : state)
    })
    // what happened since the first follower read
    this.#throttle.request(state)
  }

  join(follower: Follower): boolean {
    if (follower.seq < this.#seq) return false
    this.#followers.add(follower)
    return true
  }

  leave(follower: Follower) {
    if (this.#followers.delete(follower) && this.#followers.size === 0) this.#close()
  }

  async #sendNews() {
    const newest = this.#newest
    const events = await this.#parts.events.readPage(this.#runId, this.#seq)
    const last = events.at(-1)?.seq
    if (last === undefined) return
    // before anything is sent: whoever joins from here on must have this
    this.#seq = last
    // those who joined lately may have some of it already
    const messages = new Map<number, Buffer>()
    await toEach(this.#followers, (follower) => {
      if (follower.seq >= last) return
      let message = messages.get(follower.seq)
      if (!message) messages.set(follower.seq, (message = eventsMessage(this.#runId, newerThan(events, follower.seq))))
      follower.seq = last
      follower.send(message)
    })
    // there was more than a page of it; what came meanwhile has asked for itself
    if (last < newest) this.#throttle.request(this.#parts.intervals.state)
  }

  #fail(error: Error) {
    if (this.#followers.size === 0) return
    const followers = [...this.#followers]
    this.#close()
    if (!(error instanceof ApiError)) this.#parts.log.error({ err: error }, 'a run could not be read for its streams')
    for (const follower of followers) follower.fail(error)
  }

  #close() {
    this.#followers.clear()
    this.#throttle.stop()
    this.#stopListening()
    this.#onEmpty()
  }
}

/** Every run that changes, for those who follow them all. */
class AllRunsChannel {
  readonly #parts: ChannelParts
  readonly #followers = new Set<(message: Buffer) => void>()
  readonly #throttles = new Map<string, Throttle>()
  #stopListening: (() => void) | null = null

  constructor(parts: ChannelParts) {
    this.#parts = parts
  }

  join(send: (message: Buffer) => void): () => void {
    this.#followers.add(send)
    this.#stopListening ??= this.#parts.events.onChange(null, (runId, events) => this.#changed(runId, events))
    return () => {
      if (!this.#followers.delete(send) || this.#followers.size > 0) return
      this.#stopListening?.()
      this.#stopListening = null
      for (const throttle of this.#throttles.values()) throttle.stop()
      this.#throttles.clear()
    }
  }

  #changed(runId: string, events: readonly RunEvent[]) {
    const { state, run, crowd } = this.#parts.intervals
    let throttle = this.#throttles.get(runId)
    if (!throttle) {
      throttle = createThrottle(
        () => this.#sendRun(runId),
        (error) => this.#failed(runId, error),
      )
      this.#throttles.set(runId, throttle)
    }
    throttle.request(events.some(({ type }) => type === 'status') ? state : run * crowding(this.#followers.size, crowd))
  }

  async #sendRun(runId: string) {
    const run = await this.#parts.runs.get(runId)
    const message = messageBytes({ type: 'run', run })
    await toEach(this.#followers, (send) => send(message))
    if (isFinal(run.status)) this.#throttles.delete(runId)
  }

  #failed(runId: string, error: Error) {
    this.#throttles.delete(runId)
    // a run that was deleted meanwhile has nothing to say
    if (!(error instanceof ApiError)) this.#parts.log.error({ err: error }, 'a run could not be read for its streams')
  }
}

/** How many times as long many clients wait as few. */
function crowding(clients: number, crowd: number): number {
  return Math.max(1, clients / crowd)
}

/** Also reaches those who join meanwhile, and not those who leave. */
async function toEach<T>(receivers: ReadonlySet<T>, send: (receiver: T) => void) {
  let count = 0
  for (const receiver of receivers) {
    send(receiver)
    if (++count % sendBatch === 0) await setImmediate()
  }
}

/** Of such events a few may go out together; what they say is of no use to somebody who would act on it. */
function isNumbers({ type }: RunEvent): boolean {
  return type === 'block_metrics' || type === 'progress' || type === 'dataset_progress'
}

function newerThan(events: readonly RunEvent[], seq: number): readonly RunEvent[] {
  return events[0]!.seq > seq ? events : events.filter((event) => event.seq > seq)
}

const pageMessages = new WeakMap<readonly RunEvent[], Buffer>()

/** The message of these events: the same bytes wherever the same array is sent. */
export function eventsMessage(runId: string, events: readonly RunEvent[]): Buffer {
  let message = pageMessages.get(events)
  if (!message) pageMessages.set(events, (message = messageBytes({ type: 'events', run_id: runId, events: events as RunEvent[] })))
  return message
}

export function messageBytes(message: ServerMessage): Buffer {
  return Buffer.from(JSON.stringify(message))
}
