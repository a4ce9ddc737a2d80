import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CreateRun, isFinal, type Page, type Run, type RunEvent } from '@noprop/contract'

const serverEntry = fileURLToPath(new URL('../dist/server/main.js', import.meta.url))

interface StudioOptions {
  /** default: one for each core */
  readonly trainers?: number
  /** folder that holds dataset files */
  readonly datasetsDir?: string
  /** further variables of its environment */
  readonly env?: Readonly<Record<string, string>>
  /** program of the server; default: the one that ships */
  readonly entry?: string
}

/** The built product, as a process of its own with an empty data folder, spoken to through its API. */
export class Studio {
  readonly #process: ChildProcess
  readonly #dataDir: string
  readonly url: string
  /** when its process was started, in milliseconds since the epoch */
  readonly startedAt: number

  private constructor(child: ChildProcess, dataDir: string, url: string, startedAt: number) {
    this.#process = child
    this.#dataDir = dataDir
    this.url = url
    this.startedAt = startedAt
  }

  /** Starts it, and waits until it listens. */
  static async start({
    trainers = availableParallelism(),
    datasetsDir,
    env = {},
    entry = serverEntry,
  }: StudioOptions = {}): Promise<Studio> {
    const dataDir = mkdtempSync(join(tmpdir(), 'noprop-bench-'))
    const variables = { HOST: '127.0.0.1', PORT: '0', NOPROP_DATA_DIR: dataDir, NOPROP_TRAINERS: String(trainers), LOG_LEVEL: 'warn' }
    const startedAt = Date.now()
    const child = spawn(process.execPath, [...(entry.endsWith('.ts') ? ['--import', 'tsx'] : []), entry], {
      env: { ...process.env, ...variables, ...env, ...(datasetsDir && { NOPROP_DATASETS_DIR: datasetsDir }) },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    return new Studio(child, dataDir, await addressOf(child), startedAt)
  }

  /** Starts one, hands it to `work`, and ends it whatever comes of that. */
  static async with<T>(options: StudioOptions, work: (studio: Studio) => Promise<T>): Promise<T> {
    const studio = await Studio.start(options)
    try {
      return await work(studio)
    } finally {
      await studio.stop()
    }
  }

  /** process id of the server */
  get pid(): number {
    return this.#process.pid!
  }

  async get<T>(path: string): Promise<T> {
    return this.#request<T>(path, { headers: { accept: 'application/json' } })
  }

  async post<T>(path: string, body: unknown = {}): Promise<T> {
    return this.#request<T>(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  }

  startRun(run: CreateRun): Promise<Run> {
    return this.post<Run>('/v1/runs', run)
  }

  /**
   * Waits until a run has ended.
   *
   * @param onProgress called about once a second
   */
  async untilEnd(id: string, onProgress: (run: Run) => Promise<void> = async () => {}): Promise<Run> {
    for (;;) {
      const run = await this.get<Run>(`/v1/runs/${id}?wait_seconds=1`)
      if (isFinal(run.status)) return run
      await onProgress(run)
    }
  }

  /** Trains to the end. @throws {Error} the run did not succeed */
  async train(request: CreateRun): Promise<Run> {
    const { id } = await this.startRun(request)
    const run = await this.untilEnd(id)
    if (run.status !== 'succeeded') throw new Error(`a run of the benchmark ended ${run.status}: ${run.status_reason}`)
    return run
  }

  events(runId: string): Promise<RunEvent[]> {
    return this.list<RunEvent>(`/v1/runs/${runId}/events`)
  }

  /** All items of a list, page by page. */
  async list<T>(path: string): Promise<T[]> {
    const items: T[] = []
    let token: string | null = ''
    while (token !== null) {
      const page: Page<T> = await this.get(token ? `${path}?page_token=${encodeURIComponent(token)}` : path)
      items.push(...page.items)
      token = page.next_page_token
    }
    return items
  }

  /** Ends server and trainers, and removes the data folder. */
  async stop() {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGTERM')
      await once(this.#process, 'exit')
    }
    rmSync(this.#dataDir, { recursive: true, force: true })
  }

  async #request<T>(path: string, init: RequestInit): Promise<T> {
    const response = await fetch(this.url + path, init)
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }
}

/** The address that a server says it listens on. */
async function addressOf({ stdout }: ChildProcess): Promise<string> {
  let output = ''
  for await (const chunk of stdout!) {
    output += String(chunk)
    const url = /^NoProp Studio listens on (\S+)$/m.exec(output)?.[1]
    if (url) return url
  }
  throw new Error(`the server did not start: ${output}`)
}
