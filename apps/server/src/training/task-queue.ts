import type { EvaluateResult, PrepareResult, Split } from '@noprop/contract'
import type { Task as TaskRow } from '../generated/prisma/client.ts'
import { newId } from '../ids.ts'
import type { Transaction } from '../plugins/database.ts'
import type { PlannedTask } from './task-graph.ts'

/** A task that a trainer holds. */
export interface LeasedTask extends PlannedTask {
  readonly id: string
  readonly runId: string
  /** times that it was begun before without getting anywhere */
  readonly attempts: number
}

/** What becomes of the attempts of a task that goes back: one more, none (it made progress), or as before (it was not its fault). */
export type Attempts = 'add' | 'reset' | 'keep'

/**
 * The tasks of all runs. A trainer holds a task by a lease that it renews; one whose lease has run out may be taken by another.
 * Every operation is part of its caller's transaction, so that a task and what follows from it change together.
 */
export interface TaskQueue {
  add(transaction: Transaction, runId: string, tasks: readonly PlannedTask[]): Promise<void>
  /**
   * The most urgent task of the run that nobody holds.
   *
   * @param alive tasks that trainers of this server are still at; a lease of theirs that ran out while the machine was suspended means nothing
   */
  claim(transaction: Transaction, runId: string, slot: number, alive: readonly string[]): Promise<LeasedTask | null>
  renew(transaction: Transaction, taskId: string, slot: number): Promise<void>
  /** Whether the slot held the task until now. */
  complete(transaction: Transaction, taskId: string, slot: number, result: PrepareResult | EvaluateResult | null): Promise<boolean>
  /** Gives a task back; answers its attempts, or null where the slot did not hold it. */
  release(transaction: Transaction, taskId: string, slot: number, attempts: Attempts): Promise<number | null>
  /** Gives back whatever is held of this run. Answers how many tasks that were. */
  releaseRun(transaction: Transaction, runId: string): Promise<number>
  /** Forgets the tasks of a run that has ended. */
  drop(transaction: Transaction, runId: string): Promise<void>
  /** Tasks of the run that are not done. */
  countOpen(transaction: Transaction, runId: string): Promise<number>
}

/** A lease outlives some missed heartbeats; who watches its trainers gives tasks back sooner. */
const leaseMs = 30_000

/** The queue inside the server's own database. */
export class EmbeddedTaskQueue implements TaskQueue {
  async add({ db }: Transaction, runId: string, tasks: readonly PlannedTask[]) {
    await db.task.createMany({ data: tasks.map((task) => ({ id: newId('task'), runId, ...task })) })
  }

  async claim({ db }: Transaction, runId: string, slot: number, alive: readonly string[]): Promise<LeasedTask | null> {
    const row = await db.task.findFirst({
      where: { runId, OR: [{ status: 'pending' }, { status: 'leased', leaseExpiresAt: { lt: new Date() }, id: { notIn: [...alive] } }] },
      orderBy: [{ priority: 'asc' }, { id: 'asc' }],
    })
    if (!row) return null
    await db.task.update({ where: { id: row.id }, data: { status: 'leased', leasedBy: slot, leaseExpiresAt: leaseEnd() } })
    return leasedTask(row)
  }

  async renew({ db }: Transaction, taskId: string, slot: number) {
    await db.task.updateMany({ where: { id: taskId, leasedBy: slot, status: 'leased' }, data: { leaseExpiresAt: leaseEnd() } })
  }

  async complete({ db }: Transaction, taskId: string, slot: number, result: PrepareResult | EvaluateResult | null) {
    const { count } = await db.task.updateMany({
      where: { id: taskId, leasedBy: slot, status: 'leased' },
      data: { status: 'done', leasedBy: null, leaseExpiresAt: null, ...(result ? { result } : {}) },
    })
    return count === 1
  }

  async release({ db }: Transaction, taskId: string, slot: number, attempts: Attempts): Promise<number | null> {
    const row = await db.task.findFirst({ where: { id: taskId, leasedBy: slot, status: 'leased' } })
    if (!row) return null
    const next = attempts === 'add' ? row.attempts + 1 : attempts === 'reset' ? 0 : row.attempts
    await db.task.update({ where: { id: taskId }, data: { status: 'pending', leasedBy: null, leaseExpiresAt: null, attempts: next } })
    return next
  }

  async releaseRun({ db }: Transaction, runId: string) {
    const { count } = await db.task.updateMany({
      where: { runId, status: 'leased' },
      data: { status: 'pending', leasedBy: null, leaseExpiresAt: null },
    })
    return count
  }

  async drop({ db }: Transaction, runId: string) {
    await db.task.deleteMany({ where: { runId, status: { not: 'done' } } })
  }

  countOpen({ db }: Transaction, runId: string) {
    return db.task.count({ where: { runId, status: { not: 'done' } } })
  }
}

function leaseEnd(): Date {
  return new Date(Date.now() + leaseMs)
}

function leasedTask(row: TaskRow): LeasedTask {
  return {
    id: row.id,
    runId: row.runId,
    kind: row.kind as PlannedTask['kind'],
    priority: row.priority,
    attempts: row.attempts,
    block: row.block ?? undefined,
    epoch: row.epoch ?? undefined,
    split: (row.split as Split | null) ?? undefined,
    offset: row.offset ?? undefined,
    count: row.count ?? undefined,
  }
}
