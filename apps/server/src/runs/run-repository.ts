import {
  type BlockProgress,
  type CreateRun,
  type Failure,
  isFinal,
  type Provenance,
  type Run,
  type RunConfig,
  type RunProgress,
  type RunStatus,
} from '@noprop/contract'
import { type EventLog, statusEvent } from '../events/event-log.ts'
import type { BlockState, Prisma, Run as RunRow } from '../generated/prisma/client.ts'
import type { Database, Transaction } from '../plugins/database.ts'
import { canBecome } from './run-status.ts'

export interface NewRun {
  readonly id: string
  readonly name: string
  readonly dataset: CreateRun['dataset']
  readonly preset: string | null
  readonly config: RunConfig
  readonly provenance: Provenance
  readonly statusReason: string | null
}

/** Answers that are remembered between two commits. */
const maxFound = 100

const withBlocks = { blocks: { orderBy: { block: 'asc' } } } satisfies Prisma.RunInclude

/** The rows of runs. Reading sees committed data; changing takes the caller's transaction. */
export class RunRepository {
  readonly #database: Database
  readonly #events: EventLog
  /** what was read since the last commit, by what was asked for */
  readonly #found = new Map<string, Promise<Run | null>>()
  #foundAt = -1

  constructor(database: Database, events: EventLog) {
    this.#database = database
    this.#events = events
  }

  find(id: string): Promise<Run | null> {
    return this.#sinceCommit(id, () => this.#read(id))
  }

  /**
   * Everyone who asks before something changes gets the same answer: a thousand streams, long polls and pages ask for the same run whenever it moves, and
   * predictions for one that does not.
   */
  #sinceCommit(what: string, read: () => Promise<Run | null>): Promise<Run | null> {
    if (this.#foundAt !== this.#database.commits || this.#found.size >= maxFound) this.#found.clear()
    this.#foundAt = this.#database.commits
    let run = this.#found.get(what)
    if (!run) {
      run = read()
      this.#found.set(what, run)
      run.catch(() => this.#found.delete(what))
    }
    return run
  }

  async #read(id: string): Promise<Run | null> {
    const row = await this.#database.read.run.findUnique({ where: { id }, include: withBlocks })
    return row && runFromRow(row)
  }

  /** Newest first; `before` is the id of the last run of the page before this one. */
  async list(filter: { status?: RunStatus; before?: string; limit: number }): Promise<Run[]> {
    const rows = await this.#database.read.run.findMany({
      where: { status: filter.status, id: filter.before ? { lt: filter.before } : undefined },
      orderBy: { id: 'desc' },
      take: filter.limit,
      include: withBlocks,
    })
    return rows.map(runFromRow)
  }

  newestSucceeded(): Promise<Run | null> {
    return this.#sinceCommit('newest succeeded', () => this.#readNewestSucceeded())
  }

  async #readNewestSucceeded(): Promise<Run | null> {
    const row = await this.#database.read.run.findFirst({
      where: { status: 'succeeded' },
      orderBy: { finishedAt: 'desc' },
      include: withBlocks,
    })
    return row && runFromRow(row)
  }

  async findIn({ db }: Transaction, id: string): Promise<Run | null> {
    const row = await db.run.findUnique({ where: { id }, include: withBlocks })
    return row && runFromRow(row)
  }

  /** Null: there is no such run. */
  async statusIn({ db }: Transaction, id: string): Promise<RunStatus | null> {
    const rows = await db.$queryRaw<{ status: RunStatus }[]>`SELECT "status" FROM "Run" WHERE "id" = ${id}`
    return rows[0]?.status ?? null
  }

  /** Ids and names of the runs in these statuses, oldest first. */
  async inStatuses({ db }: Transaction, statuses: readonly RunStatus[]): Promise<{ id: string; name: string; status: RunStatus }[]> {
    const rows = await db.run.findMany({
      where: { status: { in: [...statuses] } },
      orderBy: { id: 'asc' },
      select: { id: true, name: true, status: true },
    })
    return rows as { id: string; name: string; status: RunStatus }[]
  }

  async insert(transaction: Transaction, run: NewRun): Promise<Run> {
    await transaction.db.run.create({
      data: {
        id: run.id,
        name: run.name,
        status: 'queued',
        statusReason: run.statusReason,
        dataset: run.dataset,
        preset: run.preset,
        config: run.config,
        progress: initialProgress(run.config),
        metrics: {},
        provenance: run.provenance,
      },
    })
    await this.#events.append(transaction, run.id, [statusEvent('queued', run.statusReason, null)])
    return (await this.findIn(transaction, run.id))!
  }

  /**
   * Moves a run to another status, if the table of run-status.ts allows it from where it stands, and says so in its history.
   *
   * @returns whether it was moved
   */
  async changeStatus(
    transaction: Transaction,
    id: string,
    status: RunStatus,
    reason: string | null,
    failure: Failure | null = null,
  ): Promise<boolean> {
    const row = await transaction.db.run.findUnique({ where: { id }, select: { status: true, startedAt: true } })
    if (!row || !canBecome(row.status as RunStatus, status)) return false
    const now = new Date()
    await transaction.db.run.update({
      where: { id },
      data: {
        status,
        statusReason: reason,
        ...(failure ? { failure } : {}),
        ...(status === 'starting' && row.startedAt === null ? { startedAt: now } : {}),
        ...(isFinal(status) ? { finishedAt: now } : {}),
      },
    })
    if (isFinal(status)) await transaction.db.blockState.updateMany({ where: { runId: id }, data: { trainer: null } })
    await this.#events.append(transaction, id, [statusEvent(status, reason, failure)])
    return true
  }

  /** Says anew why a queued run waits. */
  async explainWait(transaction: Transaction, id: string, reason: string) {
    const changed = await transaction.db.run.updateMany({
      where: { id, status: 'queued', OR: [{ statusReason: null }, { statusReason: { not: reason } }] },
      data: { statusReason: reason },
    })
    if (changed.count > 0) await this.#events.append(transaction, id, [statusEvent('queued', reason, null)])
  }
}

function initialProgress(config: RunConfig): RunProgress {
  return { epoch: 0, epochs: config.epochs, step: 0, steps: null, fraction: 0, images_per_second: null, eta_seconds: null }
}

function runFromRow(row: RunRow & { blocks: BlockState[] }): Run {
  return {
    id: row.id,
    name: row.name,
    status: row.status as RunStatus,
    status_reason: row.statusReason,
    dataset: row.dataset as Run['dataset'],
    preset: row.preset,
    config: row.config as RunConfig,
    progress: row.progress as RunProgress,
    blocks: row.blocks.map(({ block, epoch, step, trainer }): BlockProgress => ({ block, epoch, step, trainer })),
    metrics: row.metrics as Run['metrics'],
    parameters: row.parameters as Run['parameters'],
    failure: row.failure as Failure | null,
    provenance: row.provenance as Provenance,
    last_seq: row.lastSeq,
    created_at: row.createdAt.toISOString(),
    started_at: row.startedAt?.toISOString() ?? null,
    finished_at: row.finishedAt?.toISOString() ?? null,
  }
}
