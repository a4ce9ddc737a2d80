import { isFinal, type Checkpoint, type Evaluation, type Run, type RunEvent } from '@noprop/contract'
import { createContext } from 'svelte'
import { getEvents, getMetrics, getRun, listCheckpoints, listEvaluations } from '../api/endpoints.ts'
import type { LiveConnection } from '../api/live-connection.svelte.ts'
import { applyEvent } from './apply-event.ts'
import { MetricStore } from './metric-store.ts'

/** Events of the log that a page keeps at most; older ones can be asked for again. */
const logLimit = 5000
const historyPage = 1000
/** Pages of older events that are read without being asked for: enough for most runs, little beside the charts. */
const olderPages = 9
const pointsPerLine = 1000

/**
 * Everything that the run page shows of one run: first its history over REST, then what happens, from the stream. The run is
 * read before the rest of the history and the stream goes on from that run's `last_seq`, so nothing can fall between; what
 * comes twice is known by its `seq`, step or id.
 */
export class RunStream {
  readonly runId: string
  run = $state.raw<Run>()
  /** From the oldest to the newest. */
  evaluations = $state.raw<Evaluation[]>([])
  /** Those that the server keeps; it lets go of older ones. */
  checkpoints = $state.raw<Checkpoint[]>([])
  /** Events worth a line in the log, by `seq`. */
  log = $state.raw<RunEvent[]>([])
  /** Process id of each trainer slot, as far as this page has heard of it. */
  trainerPids = $state.raw<Record<number, number>>({})
  /** Grows whenever `metrics` has changed. */
  metricsVersion = $state(0)
  /** `seq` from which the log is complete; 1 when nothing older is left. */
  logStart = $state(1)
  loaded = $state(false)
  failure = $state.raw<unknown>()
  readonly metrics = new MetricStore()

  #seq = 0
  #stopFollowing = () => {}
  #metricsTimer: ReturnType<typeof setTimeout> | undefined
  #checkpointTimer: ReturnType<typeof setTimeout> | undefined
  readonly #live: LiveConnection
  readonly #abort = new AbortController()

  constructor(runId: string, live: LiveConnection) {
    this.runId = runId
    this.#live = live
  }

  /** Reads the history, then follows the run until `stop`. A failure is kept in `failure`; `load` may then be tried again. */
  async load(): Promise<void> {
    const { signal } = this.#abort
    this.failure = undefined
    try {
      const run = await getRun(this.runId, signal)
      const logStart = Math.max(0, run.last_seq - historyPage)
      const [metrics, evaluations, checkpoints, events] = await Promise.all([
        getMetrics(this.runId, { max_points: pointsPerLine }, signal),
        listEvaluations(this.runId, signal),
        listCheckpoints(this.runId, signal),
        getEvents(this.runId, { after: logStart, page_size: historyPage }, signal),
      ])
      this.run = run
      this.#seq = run.last_seq
      this.metrics.addHistory(metrics.items)
      this.metricsVersion++
      this.evaluations = evaluations.sort(byId)
      this.checkpoints = checkpoints
      this.logStart = logStart + 1
      this.#addToLog(events.items.filter((event) => event.seq <= run.last_seq))
      this.loaded = true
      if (!isFinal(run.status)) this.#follow()
      void this.#readOlderLog()
    } catch (error) {
      if (!signal.aborted) this.failure = error
    }
  }

  async #readOlderLog(): Promise<void> {
    try {
      for (let page = 0; page < olderPages && this.logStart > 1; page++) await this.loadOlderLog()
    } catch {
      // What is missing can be asked for with the log's own button
    }
  }

  /** Reads one more page of older events into the log. */
  async loadOlderLog(): Promise<void> {
    const after = Math.max(0, this.logStart - 1 - historyPage)
    const { items } = await getEvents(this.runId, { after, page_size: this.logStart - 1 - after }, this.#abort.signal)
    this.logStart = after + 1
    this.#addToLog(items)
  }

  /** Takes a newer state of the run that arrived another way, such as the answer to a cancel. */
  accept(run: Run): void {
    if (this.run && run.last_seq >= this.run.last_seq) this.run = run
  }

  stop(): void {
    this.#abort.abort()
    clearTimeout(this.#metricsTimer)
    clearTimeout(this.#checkpointTimer)
    this.#stopFollowing()
  }

  #follow(): void {
    this.#stopFollowing = this.#live.follow(this.runId, {
      lastSeq: () => this.#seq,
      onSnapshot: (run) => this.accept(run),
      onEvents: (events) => this.#take(events),
    })
  }

  #take(events: RunEvent[]): void {
    let run = this.run!
    for (const event of events) {
      run = applyEvent(run, event)
      this.metrics.addEvent(event)
    }
    this.run = run
    this.#seq = events.at(-1)!.seq
    if (events.some((event) => event.type === 'block_metrics')) this.#tellOfMetrics()
    for (const event of events) if (event.type === 'evaluation_completed') this.#addEvaluation(event)
    if (events.some(({ type }) => type === 'checkpoint_saved' || type === 'evaluation_completed')) this.#readCheckpointsSoon()
    this.#addToLog(events)
    if (isFinal(run.status)) void this.#readFinalRun()
  }

  /** However many messages come, the charts are drawn at most five times a second. */
  #tellOfMetrics(): void {
    this.#metricsTimer ??= setTimeout(() => {
      this.#metricsTimer = undefined
      this.metricsVersion++
    }, 200)
  }

  #addEvaluation({ type: _type, seq: _seq, time, evaluation_id: id, ...facts }: Extract<RunEvent, { type: 'evaluation_completed' }>): void {
    if (this.evaluations.some((other) => other.id === id)) return
    this.evaluations = [...this.evaluations, { id, ...facts, created_at: time }].sort(byId)
  }

  /** A checkpoint may put an end to older ones, which no event tells: the list is read again, once for what comes in a second. */
  #readCheckpointsSoon(): void {
    this.#checkpointTimer ??= setTimeout(async () => {
      this.#checkpointTimer = undefined
      this.checkpoints = await listCheckpoints(this.runId, this.#abort.signal).catch(() => this.checkpoints)
    }, 1000)
  }

  #addToLog(events: readonly RunEvent[]): void {
    const known = new Set(this.log.map((event) => event.seq))
    const lines = events.filter((event) => event.type !== 'block_metrics' && event.type !== 'progress' && !known.has(event.seq))
    if (lines.length > 0) this.log = [...this.log, ...lines].sort((a, b) => a.seq - b.seq).slice(-logLimit)
    for (const event of events) {
      if (event.type === 'block_started') this.trainerPids = { ...this.trainerPids, [event.trainer]: event.pid }
    }
  }

  /** The events tell how it ended; the run in full also has its final metrics. */
  async #readFinalRun(): Promise<void> {
    this.#stopFollowing()
    const run = await getRun(this.runId, this.#abort.signal).catch(() => undefined)
    if (run) this.accept(run)
  }
}

/** Ids begin with their time. */
function byId(a: { id: string }, b: { id: string }): number {
  return a.id < b.id ? -1 : 1
}

export const [getRunStream, setRunStream] = createContext<RunStream>()
