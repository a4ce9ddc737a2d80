import { CloseCode, type ClientMessage, type Run, type RunEvent, type ServerMessage } from '@noprop/contract'
import { createContext } from 'svelte'
import { backoffMs } from './backoff.ts'
import { streamUrl } from './endpoints.ts'

export interface RunListener {
  /** sequence number of the newest event that the listener has */
  lastSeq(): number
  onSnapshot(run: Run): void
  onEvents(events: RunEvent[]): void
}

export type LiveState = 'connecting' | 'open' | 'reconnecting'

/**
 * The page's one WebSocket to `/v1/stream`. It comes back by itself when it drops, and then asks for what each listener
 * missed: `subscribe` with `after`. All runs' changes arrive too, for the lists.
 */
export class LiveConnection {
  state = $state<LiveState>('connecting')

  readonly #url: string
  readonly #listeners = new Map<string, RunListener>()
  readonly #onRun: (run: Run) => void
  readonly #onRefused: () => void
  readonly #onReturn: () => void
  #socket: WebSocket | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #failedAttempts = 0
  #stopped = false

  /**
   * @param handlers.onRun     a run that changed, in full
   * @param handlers.onReturn  connected again: changes of runs that nobody follows may have been missed meanwhile
   * @param handlers.onRefused the server closed the stream for want of a session, or cannot be reached: somebody should look why
   */
  constructor(handlers: { onRun(run: Run): void; onRefused(): void; onReturn(): void }, url = streamUrl()) {
    this.#onRun = handlers.onRun
    this.#onRefused = handlers.onRefused
    this.#onReturn = handlers.onReturn
    this.#url = url
  }

  start(): void {
    this.#stopped = false
    addEventListener('online', this.#retryNow)
    document.addEventListener('visibilitychange', this.#retryWhenVisible)
    this.#connect()
  }

  stop(): void {
    this.#stopped = true
    removeEventListener('online', this.#retryNow)
    document.removeEventListener('visibilitychange', this.#retryWhenVisible)
    clearTimeout(this.#timer)
    this.#socket?.close()
  }

  /** Follows one run from `listener.lastSeq()` on; one listener for each run. Returns what ends it. */
  follow(runId: string, listener: RunListener): () => void {
    this.#listeners.set(runId, listener)
    this.#subscribe(runId, listener)
    return () => {
      if (this.#listeners.get(runId) !== listener) return
      this.#listeners.delete(runId)
      this.#send({ type: 'unsubscribe', run_id: runId })
    }
  }

  #connect(): void {
    clearTimeout(this.#timer)
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    socket.onopen = () => {
      const isReturn = this.state === 'reconnecting'
      this.#failedAttempts = 0
      this.state = 'open'
      this.#send({ type: 'subscribe_runs' })
      for (const [runId, listener] of this.#listeners) this.#subscribe(runId, listener)
      if (isReturn) this.#onReturn()
    }
    socket.onmessage = (message) => this.#receive(JSON.parse(String(message.data)) as ServerMessage)
    socket.onclose = (event) => this.#lost(socket, event.code)
  }

  #lost(socket: WebSocket, code: number): void {
    if (this.#stopped || socket !== this.#socket) return
    this.#socket = undefined
    this.state = 'reconnecting'
    // A refused upgrade has no code of its own in a browser, so after a second failure somebody asks over HTTP
    if (code === CloseCode.unauthenticated || this.#failedAttempts === 1) this.#onRefused()
    this.#timer = setTimeout(() => this.#connect(), backoffMs(this.#failedAttempts, Math.random()))
    this.#failedAttempts++
  }

  #retryNow = (): void => {
    if (this.#stopped || this.#socket) return
    this.#connect()
  }

  #retryWhenVisible = (): void => {
    if (document.visibilityState === 'visible') this.#retryNow()
  }

  #subscribe(runId: string, listener: RunListener): void {
    this.#send({ type: 'subscribe', run_id: runId, after: listener.lastSeq() })
  }

  #send(message: ClientMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message))
  }

  #receive(message: ServerMessage): void {
    switch (message.type) {
      case 'run':
        this.#onRun(message.run)
        return
      case 'snapshot':
        this.#listeners.get(message.run.id)?.onSnapshot(message.run)
        return
      case 'events':
        this.#deliver(message.run_id, message.events)
        return
      case 'caught_up':
      case 'error':
        return
    }
  }

  /** Hands on what is new. A hole before it means that something was lost on the way: then the run is asked for again. */
  #deliver(runId: string, events: RunEvent[]): void {
    const listener = this.#listeners.get(runId)
    if (!listener) return
    const fresh = events.filter((event) => event.seq > listener.lastSeq())
    if (fresh.length === 0) return
    if (fresh[0]!.seq > listener.lastSeq() + 1) this.#subscribe(runId, listener)
    else listener.onEvents(fresh)
  }
}

export const [getLiveConnection, setLiveConnection] = createContext<LiveConnection>()
