import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CreateRun, Page, Problem, Run, RunEvent, RunStatus } from '@noprop/contract'
import type { FastifyInstance } from 'fastify'
import { type AppOptions, buildApp } from '../../src/app.ts'
import { type Config, loadConfig } from '../../src/config.ts'
import { urlOf } from '../../src/serve.ts'

export const scriptedTrainer = fileURLToPath(new URL('../fixtures/scripted-trainer.mjs', import.meta.url))

const datasetsCache = fileURLToPath(new URL('../../../../.cache/trainer-test/datasets', import.meta.url))

/** Seeds that make the scripted trainer misbehave; see there. */
export const misbehaviour = {
  diverges: 101,
  failsAlways: 102,
  failsOnce: 103,
  fallsSilent: 104,
  ignoresStop: 105,
  talksNonsense: 106,
  diskFull: 107,
  liesAboutCheckpoint: 108,
  diesAlways: 109,
  wrongUnits: 110,
  badDataset: 111,
} as const

/** A run of two blocks that takes 10 steps an epoch; `eta` is the milliseconds of a step. */
export function smallRun(config: CreateRun['config'] = {}): CreateRun {
  const sizes = { train_limit: 320, batch_size: 32, test_limit: 5000, validation_size: 0 }
  return { dataset: 'mnist', preset: 'smoke', config: { epochs: 1, blocks: 2, eta: 1, metrics_interval: 1, ...sizes, ...config } }
}

export function testConfig(dataDir: string, overrides: Partial<Config> = {}): Config {
  return {
    ...loadConfig({ PORT: '0', NOPROP_DATA_DIR: dataDir, NOPROP_TRAINERS: '2', LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'silent' }),
    trainerEntry: scriptedTrainer,
    heartbeatTimeoutMs: 1500,
    stopTimeoutMs: 600,
    idleTrainerMs: 300,
    recoveryPauseMs: 300,
    ...overrides,
  }
}

export async function makeDataDir(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'noprop-server-test-'))
}

/** A data folder for trainers that really train: datasets that were made once are there, kept between test runs. */
export async function makeTrainingDataDir(): Promise<string> {
  const dataDir = await makeDataDir()
  await mkdir(datasetsCache, { recursive: true })
  await symlink(datasetsCache, join(dataDir, 'datasets'))
  return dataDir
}

export interface Answer<T> {
  readonly status: number
  readonly body: T
  readonly headers: Headers
}

/** A server that listens, on a database of its own, with scripted trainers; and what tests ask of it. */
export class TestServer {
  readonly app: FastifyInstance
  readonly url: string
  readonly dataDir: string

  private constructor(app: FastifyInstance, dataDir: string) {
    this.app = app
    this.dataDir = dataDir
    this.url = urlOf(app)
  }

  static async start({ dataDir, options, ...overrides }: Partial<Config> & { options?: AppOptions } = {}): Promise<TestServer> {
    const folder = dataDir ?? (await makeDataDir())
    const app = await buildApp(testConfig(folder, overrides), options)
    await app.listen({ host: '127.0.0.1', port: 0 })
    return new TestServer(app, folder)
  }

  /** Ends the server; its data folder stays for another one. */
  async stop() {
    await this.app.close()
  }

  async close() {
    await this.stop()
    await rm(this.dataDir, { recursive: true, force: true })
  }

  async request<T = unknown>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> {
    const response = await fetch(this.url + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), accept: 'application/json', ...headers },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: (text && isJson(response) ? JSON.parse(text) : text) as T }
  }

  get<T>(path: string) {
    return this.request<T>('GET', path)
  }

  async createRun(body: CreateRun): Promise<Run> {
    const answer = await this.request<Run>('POST', '/v1/runs', body)
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
    return answer.body
  }

  async run(id: string): Promise<Run> {
    return (await this.get<Run>(`/v1/runs/${id}`)).body
  }

  /** The run as soon as it has ended. */
  async ended(id: string, seconds = 20): Promise<Run> {
    const { body } = await this.get<Run>(`/v1/runs/${id}?wait_seconds=${seconds}`)
    return body
  }

  async reaches(id: string, status: RunStatus): Promise<Run> {
    return until(async () => {
      const run = await this.run(id)
      return run.status === status ? run : null
    }, `the run is ${status}`)
  }

  /** The whole history, page by page. */
  async events(id: string): Promise<RunEvent[]> {
    const events: RunEvent[] = []
    for (let path: string | null = `/v1/runs/${id}/events?page_size=1000`; path;) {
      const { body }: Answer<Page<RunEvent>> = await this.get<Page<RunEvent>>(path)
      events.push(...body.items)
      path = body.next_page_token && `/v1/runs/${id}/events?page_size=1000&page_token=${body.next_page_token}`
    }
    return events
  }

  async statuses(id: string): Promise<RunStatus[]> {
    return (await this.events(id)).flatMap((event) => (event.type === 'status' ? [event.status] : []))
  }
}

export function problem(answer: Answer<unknown>): Problem {
  return answer.body as Problem
}

/** Asks again until there is an answer. */
export async function until<T>(
  ask: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  what: string,
  seconds = 10,
): Promise<T> {
  const deadline = Date.now() + 1000 * seconds
  while (Date.now() < deadline) {
    const answer = await ask()
    if (answer) return answer
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`waited in vain until ${what}`)
}

function isJson(response: Response): boolean {
  return /json/.test(response.headers.get('content-type') ?? '')
}
