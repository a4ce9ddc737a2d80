import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'

/** How often something was done, and how long it took. */
interface Count {
  readonly count: number
  readonly seconds: number
  /** processor time of all threads of the process */
  readonly cpuSeconds: number
}

/**
 * A process that measures on demand: for every line `{ "what": …, "seconds": … }` it does `what` again and again for about so many seconds, and answers with a
 * Count as a line. It sends one line when it is ready.
 */
export class Worker {
  readonly #process: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #reader: Interface

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } })
    this.#reader = createInterface({ input: this.#process.stdout! })
    this.#lines = this.#reader[Symbol.asyncIterator]()
  }

  /** What the process says about itself. */
  async ready(): Promise<Record<string, unknown>> {
    return JSON.parse(await this.#nextLine()) as Record<string, unknown>
  }

  async measure(what: string, seconds: number): Promise<Count> {
    this.#process.stdin!.write(`${JSON.stringify({ what, seconds })}\n`)
    return JSON.parse(await this.#nextLine()) as Count
  }

  stop(): void {
    this.#process.stdin!.end()
    this.#reader.close()
    this.#process.kill()
  }

  async #nextLine(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`a process of the benchmark ended: ${this.#process.spawnargs.join(' ')}`)
    return value
  }
}

export interface Rate {
  readonly perSecond: number
  readonly perCpuSecond: number
}

/** How often several processes do something together, all at the same time. */
export async function rateOf(workers: readonly Worker[], what: string, seconds: number): Promise<Rate> {
  const counts = await Promise.all(workers.map((worker) => worker.measure(what, seconds)))
  const total = (key: keyof Count) => counts.reduce((sum, count) => sum + count[key], 0)
  return {
    perSecond: counts.reduce((sum, { count, seconds }) => sum + count / seconds, 0),
    perCpuSecond: total('count') / total('cpuSeconds'),
  }
}
