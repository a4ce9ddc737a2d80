import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ClientCommand, ClientReport } from './stream-client.ts'

const entry = fileURLToPath(new URL('stream-client.ts', import.meta.url))

/** Clients of the stream, in processes of their own. */
export class StreamCrowd {
  readonly #processes: readonly ChildProcess[]

  constructor(processes = 2) {
    this.#processes = Array.from({ length: processes }, () => fork(entry, [], { execArgv: ['--import', 'tsx'] }))
  }

  /** Connects all at once, and waits until everyone has caught up with the run. */
  async connect({ url, runId, clients, after }: { url: string; runId: string; clients: number; after?: number }) {
    const share = Math.ceil(clients / this.#processes.length)
    const stream = `${url.replace('http', 'ws')}/v1/stream`
    await this.#all({ do: 'connect', url: stream, runId, clients: share, ...(after !== undefined && { after }) })
  }

  /** What they heard since the last report. */
  async report(): Promise<ClientReport> {
    const reports = (await this.#all({ do: 'report' })) as ClientReport[]
    const sum = (key: 'events' | 'bytes' | 'misplaced' | 'cpuSeconds') => reports.reduce((total, report) => total + report[key], 0)
    const longest = Math.max(...reports.map(({ latencies }) => latencies.length))
    return {
      latencies: Array.from({ length: longest }, (_, ms) => reports.reduce((total, { latencies }) => total + (latencies[ms] ?? 0), 0)),
      events: sum('events'),
      bytes: sum('bytes'),
      misplaced: sum('misplaced'),
      cpuSeconds: sum('cpuSeconds'),
      failures: reports.flatMap(({ failures }) => failures),
      fewestMessages: Math.min(...reports.map(({ fewestMessages }) => fewestMessages)),
      newest: [Math.min(...reports.map(({ newest }) => newest[0])), Math.max(...reports.map(({ newest }) => newest[1]))],
      seconds: Math.max(...reports.map(({ seconds }) => seconds)),
      connectSeconds: Math.max(...reports.map(({ connectSeconds }) => connectSeconds)),
    }
  }

  async disconnect() {
    await this.#all({ do: 'disconnect' })
  }

  stop() {
    for (const child of this.#processes) child.disconnect()
  }

  #all(command: ClientCommand): Promise<unknown[]> {
    return Promise.all(
      this.#processes.map(async (child) => {
        const answer = once(child, 'message')
        child.send(command)
        return ((await answer) as [unknown])[0]
      }),
    )
  }
}

/** The latency that a share of the events did not exceed, in milliseconds. */
export function percentile(latencies: readonly number[], share: number): number {
  const total = latencies.reduce((sum, number) => sum + number, 0)
  let seen = 0
  return latencies.findIndex((number) => (seen += number) >= share * total)
}
