/**
 * A process of many clients of the stream. It is told over IPC what to do, does one thing after the other, and answers each command with a message.
 * Every client follows one run and the list of runs, as a page of the dashboard does, and checks that no event is missing, doubled or out of turn.
 */

import type { RunEvent, ServerMessage } from '@noprop/contract'
import { WebSocket } from 'ws'

export type ClientCommand =
  | { readonly do: 'connect'; readonly url: string; readonly runId: string; readonly clients: number; readonly after?: number }
  | { readonly do: 'report' }
  | { readonly do: 'disconnect' }

/** What all clients of the process heard since the last report. */
export interface ClientReport {
  /** Milliseconds from an event's own time to its arrival: how many events took 0, 1, 2, … */
  readonly latencies: readonly number[]
  /** events, of all clients */
  readonly events: number
  /** messages with events, of the client that got fewest */
  readonly fewestMessages: number
  readonly bytes: number
  /** events that were missing, doubled or out of turn */
  readonly misplaced: number
  /** connections that ended unasked, problems that the server told of */
  readonly failures: readonly string[]
  /** seq of the newest event: of the client that is furthest, and of the one furthest behind */
  readonly newest: readonly [least: number, greatest: number]
  /** from the first connection until the last client was told that it had caught up */
  readonly connectSeconds: number
  /** since the last report */
  readonly seconds: number
  readonly cpuSeconds: number
}

const clients: Client[] = []
let latencies: number[] = []
let bytes = 0
let misplaced = 0
let failures: string[] = []
let connectSeconds = 0
let cpu = process.cpuUsage()
let reportedAt = performance.now()

class Client {
  readonly #socket: WebSocket
  readonly caughtUp: Promise<void>
  seq: number | null
  messages = 0
  #isLive = false

  constructor(url: string, runId: string, after: number | undefined) {
    this.seq = after ?? null
    this.#socket = new WebSocket(url, { perMessageDeflate: false })
    this.#socket.on('open', () => {
      this.#socket.send(JSON.stringify({ type: 'subscribe_runs' }))
      this.#socket.send(JSON.stringify({ type: 'subscribe', run_id: runId, after }))
    })
    this.#socket.on('close', (code) => failures.push(`closed with ${code}`))
    this.caughtUp = new Promise((resolve, reject) => {
      this.#socket.on('error', (error) => {
        failures.push(error.message)
        reject(error)
      })
      this.#socket.on('message', (data: Buffer) => {
        bytes += data.length
        // a state of the run has no number of its own; reading it is the page's work, not what is measured
        if (data.toString('latin1', 0, 13) !== '{"type":"run"') this.#receive(JSON.parse(data.toString()) as ServerMessage, resolve)
      })
    })
  }

  close() {
    this.#socket.removeAllListeners('close')
    this.#socket.close()
  }

  #receive(message: ServerMessage, caughtUp: () => void) {
    if (message.type === 'error') failures.push(message.problem.detail)
    if (message.type === 'caught_up') {
      this.seq ??= message.seq
      this.#isLive = true
      if (this.seq !== message.seq) misplaced++
      caughtUp()
    }
    if (message.type !== 'events') return
    this.messages++
    const now = Date.now()
    for (const event of message.events) {
      if (this.seq !== null && event.seq !== this.seq + 1) misplaced++
      this.seq = event.seq
      if (this.#isLive) count(now - timeOf(event))
    }
  }
}

/** When an event came into the world, as its trainer says, or else its server. */
function timeOf(event: RunEvent): number {
  if (event.type === 'block_metrics' && event.values['emitted_at']) return event.values['emitted_at']
  const told = event.type === 'log' ? /^emitted at (\d+)$/.exec(event.message) : null
  return told ? Number(told[1]) : Date.parse(event.time)
}

function count(ms: number) {
  const bucket = Math.max(0, ms)
  latencies[bucket] = (latencies[bucket] ?? 0) + 1
}

async function connect({ url, runId, clients: number, after }: Extract<ClientCommand, { do: 'connect' }>) {
  const startedAt = performance.now()
  for (let i = 0; i < number; i++) clients.push(new Client(url, runId, after))
  await Promise.all(clients.map((client) => client.caughtUp))
  connectSeconds = (performance.now() - startedAt) / 1000
}

function report(): ClientReport {
  const seqs = clients.map(({ seq }) => seq ?? 0)
  const { user, system } = process.cpuUsage(cpu)
  const result: ClientReport = {
    latencies: Array.from(latencies, (number) => number ?? 0),
    events: latencies.reduce((sum, number) => sum + number, 0),
    fewestMessages: Math.min(...clients.map(({ messages }) => messages)),
    bytes,
    misplaced,
    failures: [...new Set(failures)],
    newest: [Math.min(...seqs), Math.max(...seqs)],
    connectSeconds,
    seconds: (performance.now() - reportedAt) / 1000,
    cpuSeconds: (user + system) / 1e6,
  }
  for (const client of clients) client.messages = 0
  ;[latencies, bytes, misplaced, failures] = [[], 0, 0, []]
  cpu = process.cpuUsage()
  reportedAt = performance.now()
  return result
}

function disconnect() {
  for (const client of clients.splice(0)) client.close()
}

process.on('message', async (command: ClientCommand) => {
  if (command.do === 'connect') await connect(command).catch((error: Error) => failures.push(error.message))
  if (command.do === 'disconnect') disconnect()
  process.send!(command.do === 'report' ? report() : {})
})
process.on('disconnect', () => process.exit(0))
