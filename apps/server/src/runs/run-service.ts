import { type CreateRun, isFinal, type Page, type Run, type RunStatus } from '@noprop/contract'
import { datasetCatalog } from '@noprop/datasets'
import { ApiError, type FieldError, unprocessable } from '../api-error.ts'
import type { CheckpointStore } from '../checkpoints/checkpoint-store.ts'
import type { EventLog } from '../events/event-log.ts'
import { newId } from '../ids.ts'
import { keysetPage } from '../page-token.ts'
import type { Database } from '../plugins/database.ts'
import { checkNetwork } from '../predictions/check-network.ts'
import { type KeyedRequest, once } from './idempotency.ts'
import { defaultPreset, findPreset, presets } from './presets.ts'
import type { BuildFacts } from './provenance.ts'
import { checkConfig, resolveConfig } from './resolve-config.ts'
import type { NewRun, RunRepository } from './run-repository.ts'
import { activeStatuses, canCancel } from './run-status.ts'
import { waitReason } from './wait-reason.ts'

/** What the service needs of whoever gives runs to trainers. */
export interface RunExecutor {
  /** There may be something to do. */
  wake(): void
  /** Makes the trainers leave a run whose status is `canceling`. */
  stopRun(runId: string): void
}

export interface RunServiceParts {
  readonly database: Database
  readonly repository: RunRepository
  readonly events: EventLog
  readonly checkpoints: CheckpointStore
  readonly build: BuildFacts
  readonly executor: RunExecutor
  readonly trainers: number
}

/** Rows removed by one transaction of a deletion, so that other requests get their turn in between. */
const deleteChunk = 5000

/** What can be done with runs. */
export class RunService {
  readonly #parts: RunServiceParts
  readonly #deleting = new Set<string>()

  constructor(parts: RunServiceParts) {
    this.#parts = parts
  }

  /** @throws {ApiError} RUN_NOT_FOUND */
  async get(id: string): Promise<Run> {
    const run = await this.#parts.repository.find(id)
    if (!run || this.#deleting.has(id)) throw runNotFound(id)
    return run
  }

  newestSucceeded(): Promise<Run | null> {
    return this.#parts.repository.newestSucceeded()
  }

  /** Newest first. */
  list(query: { status?: RunStatus; page_size?: number; page_token?: string }): Promise<Page<Run>> {
    return keysetPage(query, (range) => this.#parts.repository.list({ status: query.status, ...range }))
  }

  /**
   * Queues a run. Nothing is stored where the request is refused.
   *
   * @param key of the request, where it carries one: the same request then creates one run only
   * @throws {ApiError} UNPROCESSABLE, with the fields at fault; IDEMPOTENCY_KEY_REUSED
   */
  async create(request: CreateRun, key: string | null): Promise<{ run: Run; replayed: boolean }> {
    const { database, repository, executor } = this.#parts
    const keyed: KeyedRequest | null = key === null ? null : { key, body: request }
    const result = await database.write((transaction) =>
      once(transaction, keyed, async () => {
        const run = this.#plan(request)
        const before = await repository.inStatuses(transaction, [...activeStatuses, 'queued'])
        return repository.insert(transaction, { ...run, statusReason: waitReason(before, this.#parts.trainers) })
      }),
    )
    executor.wake()
    return { run: result.body, replayed: result.replayed }
  }

  /**
   * Cancels a run: at once where it is queued, else as soon as its trainers have stopped. Canceling again changes nothing.
   *
   * @throws {ApiError} RUN_NOT_FOUND, RUN_ALREADY_FINAL
   */
  async cancel(id: string): Promise<Run> {
    const { database, repository, executor } = this.#parts
    const run = await database.write(async (transaction) => {
      const current = await repository.findIn(transaction, id)
      if (!current) throw runNotFound(id)
      if (!canCancel(current.status)) {
        if (current.status === 'succeeded' || current.status === 'failed')
          throw new ApiError('RUN_ALREADY_FINAL', `The run has ${current.status}; it cannot be canceled any more`)
        return current
      }
      const next = current.status === 'queued' ? 'canceled' : 'canceling'
      await repository.changeStatus(
        transaction,
        id,
        next,
        next === 'canceled' ? 'canceled while it was queued' : 'waiting for its trainers to stop',
      )
      return (await repository.findIn(transaction, id))!
    })
    if (run.status === 'canceling') executor.stopRun(id)
    executor.wake()
    return run
  }

  /**
   * Removes a run that has ended: rows, then files.
   *
   * @throws {ApiError} RUN_NOT_FOUND, RUN_NOT_FINAL
   */
  async delete(id: string): Promise<void> {
    const run = await this.get(id)
    if (!isFinal(run.status)) throw new ApiError('RUN_NOT_FINAL', `The run is ${run.status}; cancel it before you delete it`)
    this.#deleting.add(id)
    try {
      await this.#deleteRows(id)
      this.#parts.events.forget(id)
      await this.#parts.checkpoints.removeRun(id)
    } finally {
      this.#deleting.delete(id)
    }
  }

  async #deleteRows(id: string) {
    const { database } = this.#parts
    for (let removed = Infinity; removed > 0;) {
      removed = await database.write(
        ({ db }) =>
          db.$executeRaw`DELETE FROM "Metric" WHERE rowid IN (SELECT rowid FROM "Metric" WHERE "runId" = ${id} LIMIT ${deleteChunk})`,
      )
    }
    for (let removed = Infinity; removed > 0;) {
      removed = await database.write(
        ({ db }) =>
          db.$executeRaw`DELETE FROM "RunEvent" WHERE rowid IN (SELECT rowid FROM "RunEvent" WHERE "runId" = ${id} LIMIT ${deleteChunk})`,
      )
    }
    await database.write(({ db }) => db.run.delete({ where: { id } }))
  }

  /** @throws {ApiError} UNPROCESSABLE */
  #plan(request: CreateRun): NewRun {
    const preset = request.preset === undefined ? defaultPreset : findPreset(request.preset)
    if (!preset) {
      const known = presets.map(({ name }) => name).join(', ')
      throw unprocessable([{ pointer: '/preset', detail: `there is no preset "${request.preset}"; there are ${known}` }])
    }
    const config = resolveConfig(preset.config, request.config)
    const dataset = datasetCatalog[request.dataset]
    const [first, ...rest]: FieldError[] = [...checkName(request.name), ...checkConfig(config, dataset), ...checkNetwork(config, dataset)]
    if (first) throw unprocessable([first, ...rest])
    const { versions, gitCommit } = this.#parts.build
    return {
      id: newId('run'),
      name: request.name?.trim() ?? `${request.dataset} ${request.preset ?? 'custom'}`,
      dataset: request.dataset,
      preset: request.preset ?? null,
      config,
      provenance: { seed: config.seed, data_sha256: null, versions: { ...versions }, git_commit: gitCommit, device: null },
      statusReason: null,
    }
  }
}

function checkName(name: string | undefined): FieldError[] {
  if (name === undefined || /^(?=.*\S)\P{C}+$/u.test(name)) return []
  return [{ pointer: '/name', detail: 'name must hold a visible character and no control characters' }]
}

function runNotFound(id: string): ApiError {
  return new ApiError('RUN_NOT_FOUND', `There is no run ${id}`)
}
