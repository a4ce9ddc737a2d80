import {
  type CheckpointFacts,
  type Failure,
  isFinal,
  type PrepareResult,
  type Run,
  type Task,
  type TaskResult,
  type TrainerToServer,
} from '@noprop/contract'
import type { FastifyBaseLogger } from 'fastify'
import type { CheckpointStore } from '../checkpoints/checkpoint-store.ts'
import { type EventLog, logEvent } from '../events/event-log.ts'
import type { Database, Transaction } from '../plugins/database.ts'
import { isDiskFull } from '../plugins/error-handler.ts'
import type { RunRepository } from '../runs/run-repository.ts'
import type { RunExecutor } from '../runs/run-service.ts'
import { activeStatuses } from '../runs/run-status.ts'
import { waitReason } from '../runs/wait-reason.ts'
import { ingestEvents } from './event-ingest.ts'
import { readPrepared } from './prepared-run.ts'
import { ProgressTracker } from './progress-tracker.ts'
import { prepareTask } from './task-graph.ts'
import { taskMessage } from './task-message.ts'
import { BadResultError, type TaskOutcomes } from './task-outcomes.ts'
import type { Attempts, TaskQueue } from './task-queue.ts'
import type { TrainerPool } from './trainer-pool.ts'
import type { TrainerExit } from './trainer-process.ts'

export interface CoordinatorParts {
  readonly database: Database
  readonly repository: RunRepository
  readonly events: EventLog
  readonly checkpoints: CheckpointStore
  readonly queue: TaskQueue
  readonly outcomes: TaskOutcomes
  readonly pool: TrainerPool
  readonly trainers: number
  readonly recoveryPauseMs: number
  readonly log: FastifyBaseLogger
}

/** The run that has the trainers. */
interface ActiveRun {
  readonly id: string
  readonly tracker: ProgressTracker
  prepared: PrepareResult | null
}

/** Times that a task may be begun without getting anywhere. */
const maxAttempts = 3
const progressIntervalMs = 1000
const renewIntervalMs = 10_000
/** Refusals in a row that are not a full disk, after which the run is given up. */
const maxRecoveries = 3
const shutdownMs = 3000

/**
 * Gives the tasks of one run at a time to the trainers, and acts on what becomes of them.
 * Everything happens one after the other: requests, messages, deaths and the clock queue up for `#inTurn`.
 */
export class RunCoordinator implements RunExecutor {
  readonly #parts: CoordinatorParts
  readonly #renewedAt = new Map<string, number>()
  #active: ActiveRun | null = null
  #turn: Promise<void> = Promise.resolve()
  #clock: NodeJS.Timeout | null = null
  #recovery: NodeJS.Timeout | null = null
  #recoveries = 0
  #closing = false

  constructor(parts: CoordinatorParts) {
    this.#parts = parts
    parts.pool.listen({
      onIdle: () => this.wake(),
      onMessage: (slot, message) => this.#receive(slot, message),
      onLost: (slot, exit) => void this.#inTurn(() => this.#lost(slot, exit)),
      onCannotStart: (exit) => void this.#inTurn(() => this.#cannotStart(exit)),
    })
  }

  /** Takes up what an earlier server left: its trainers are gone, so whatever was leased is free again. */
  async start() {
    const { database, repository, events, queue } = this.#parts
    await database.write(async (transaction) => {
      for (const run of await repository.inStatuses(transaction, activeStatuses)) {
        await queue.releaseRun(transaction, run.id)
        await this.#resetBlocks(transaction, run.id)
        if (run.status === 'canceling') {
          await this.#end(transaction, run.id, 'canceled', 'canceled on request')
        } else if (await repository.changeStatus(transaction, run.id, 'interrupted', 'the server ended unexpectedly')) {
          await events.append(transaction, run.id, [
            logEvent('warn', 'the server ended unexpectedly; going on from the newest checkpoints'),
          ])
        }
      }
    })
    this.#clock = setInterval(() => void this.#inTurn(() => this.#tick()), progressIntervalMs).unref()
    this.wake()
  }

  wake() {
    void this.#inTurn(() => this.#dispatch())
  }

  stopRun(runId: string) {
    void this.#inTurn(async () => {
      this.#parts.pool.stop(runId)
      await this.#finishCancel()
      await this.#dispatch()
    })
  }

  /** Lets the trainers write their checkpoints, gives every task back, and ends the trainers. */
  async close() {
    this.#closing = true
    if (this.#clock) clearInterval(this.#clock)
    if (this.#recovery) clearTimeout(this.#recovery)
    const { pool } = this.#parts
    pool.stop(null)
    const deadline = Date.now() + shutdownMs
    while (pool.busySlots(null).length > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
    await this.#inTurn(() => this.#park())
    pool.close()
    await this.#turn
  }

  /** Runs `work` after everything asked for before it. What goes wrong in it is the run's trouble, never the server's. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(work).catch((error: unknown) => this.#storageFailed(error))
    return this.#turn
  }

  async #dispatch() {
    if (this.#closing || this.#recovery) return
    // one that was being canceled when it was lost sight of is over at once, and the next one follows
    while (!this.#active && (await this.#activateNext())) await this.#finishCancel()
    const { pool } = this.#parts
    if (!this.#active) return pool.rest()
    pool.start()
    for (const slot of pool.idleSlots()) if (!(await this.#assignNext(slot))) break
  }

  /** Takes up the run that was interrupted, else the oldest that is queued, if there is one. Tells the others what they wait for. */
  async #activateNext(): Promise<boolean> {
    const { database, repository, queue, checkpoints, trainers } = this.#parts
    const run = await database.write(async (transaction) => {
      const waiting = await repository.inStatuses(transaction, [...activeStatuses, 'queued'])
      const next = waiting.find(({ status }) => status !== 'queued') ?? waiting[0]
      if (!next) return null
      if (next.status === 'queued') {
        await repository.changeStatus(transaction, next.id, 'starting', null)
        await queue.add(transaction, next.id, [prepareTask])
      }
      const order = [next, ...waiting.filter(({ id }) => id !== next.id)]
      for (const [i, { id }] of order.entries()) {
        if (i > 0) await repository.explainWait(transaction, id, waitReason(order.slice(0, i), trainers)!)
      }
      return repository.findIn(transaction, next.id)
    })
    if (!run) return false
    const tracker = new ProgressTracker(run.config)
    for (const { block, step } of run.blocks) tracker.setStep(block, step)
    // first of all: what goes wrong from here on is this run's trouble
    this.#active = { id: run.id, tracker, prepared: null }
    await checkpoints.createRunFolder(run.id)
    this.#active.prepared = await readPrepared(this.#parts.database.read, run.id)
    return true
  }

  /** Gives the most urgent task to an idle trainer. Answers whether there was one. */
  async #assignNext(slot: number): Promise<boolean> {
    const { database, repository, queue, pool, checkpoints } = this.#parts
    const { id: runId, prepared } = this.#active!
    const alive = pool.busySlots(null).map((busy) => pool.taskOf(busy)!.task_id)
    const task = await database.write(async (transaction): Promise<Task | null> => {
      const run = await repository.findIn(transaction, runId)
      if (!run || !['starting', 'running', 'interrupted'].includes(run.status)) return null
      const leased = await queue.claim(transaction, runId, slot, alive)
      if (!leased) return null
      const status = leased.kind === 'prepare' ? 'starting' : 'running'
      if (run.status !== status) await repository.changeStatus(transaction, runId, status, null)
      if (leased.kind === 'train')
        await transaction.db.blockState.update({ where: { runId_block: { runId, block: leased.block! } }, data: { trainer: slot } })
      return taskMessage(transaction, run, leased, prepared, checkpoints)
    })
    if (!task) return false
    if (!pool.assign(slot, task)) await this.#giveBack(slot, task, 'keep', null)
    return true
  }

  #receive(slot: number, message: TrainerToServer) {
    switch (message.type) {
      case 'ready':
        return
      case 'heartbeat':
        return void this.#inTurn(() => this.#renew(slot))
      case 'events':
        return void this.#inTurn(() => this.#ingest(slot, message))
      case 'task_done':
        return void this.#inTurn(() => this.#done(slot, message.task_id, message.result))
      case 'task_stopped':
        return void this.#inTurn(() => this.#stopped(slot, message.task_id, message.checkpoint))
      case 'task_failed':
        this.#parts.log.warn({ slot, failure: message.failure, stack: message.stack }, 'a task failed')
        return void this.#inTurn(() => this.#failed(slot, message.task_id, message.failure))
    }
  }

  /** The task that the trainer holds, if that is the one it speaks of. */
  #heldTask(slot: number, taskId: string): Task | null {
    const task = this.#parts.pool.taskOf(slot)
    return task?.task_id === taskId ? task : null
  }

  /** Null as long as its data is not known, and when the run has ended. */
  #preparedOf(runId: string): PrepareResult | null {
    return this.#active?.id === runId ? this.#active.prepared : null
  }

  async #renew(slot: number) {
    const task = this.#parts.pool.taskOf(slot)
    if (!task || Date.now() - (this.#renewedAt.get(task.task_id) ?? 0) < renewIntervalMs) return
    this.#renewedAt.set(task.task_id, Date.now())
    await this.#parts.database.write((transaction) => this.#parts.queue.renew(transaction, task.task_id, slot))
  }

  async #ingest(slot: number, message: Extract<TrainerToServer, { type: 'events' }>) {
    const task = this.#heldTask(slot, message.task_id)
    if (!task) return
    const { database, repository, events, pool } = this.#parts
    const source = { runId: task.run_id, taskId: task.task_id, slot, pid: pool.pidOf(slot) ?? 0 }
    const metrics = await database.write(async (transaction) => {
      const status = await repository.statusIn(transaction, task.run_id)
      return status && !isFinal(status) ? ingestEvents(transaction, events, source, message.events) : []
    })
    if (this.#active?.id !== task.run_id) return
    for (const { block, step, values } of metrics) {
      this.#active.tracker.setStep(block, step)
      this.#active.tracker.setMetrics(block, values)
    }
  }

  async #done(slot: number, taskId: string, result: TaskResult) {
    const task = this.#heldTask(slot, taskId)
    if (!task) return
    const { database, repository, queue, outcomes, pool } = this.#parts
    const prepared = this.#preparedOf(task.run_id)
    try {
      await outcomes.check(task, result, prepared)
    } catch (error) {
      if (!(error instanceof BadResultError)) throw error
      return this.#failed(slot, taskId, { kind: 'infrastructure', code: error.code, message: error.message })
    }
    const wasRecorded = await database.write(async (transaction) => {
      const run = await repository.findIn(transaction, task.run_id)
      if (!run || isFinal(run.status)) return false
      if (!(await queue.complete(transaction, taskId, slot, result.kind === 'train' ? null : result))) return false
      await this.#clearTrainer(transaction, task)
      // the tasks that follow are dropped again where the run is being canceled
      if (result.kind === 'prepare') {
        await outcomes.prepared(transaction, run, result)
        this.#active!.prepared = result
      } else if (result.kind === 'train') {
        await outcomes.trained(transaction, run, result.checkpoint, prepared!)
      } else if (task.kind === 'evaluate') {
        await outcomes.evaluated(transaction, run, task, prepared!)
        if (run.status === 'running' && (await queue.countOpen(transaction, run.id)) === 0) await this.#succeed(transaction, run.id)
      }
      return true
    })
    this.#recoveries = 0
    this.#renewedAt.delete(taskId)
    pool.finish(slot, 'done')
    if (wasRecorded && result.kind === 'train') this.#active?.tracker.setStep(result.checkpoint.block, result.checkpoint.step)
    if (!wasRecorded && task.kind === 'train') await this.#parts.checkpoints.remove(task.run_id, [task.checkpoint.checkpoint_id])
    await this.#next()
  }

  async #stopped(slot: number, taskId: string, checkpoint: CheckpointFacts | null) {
    const task = this.#heldTask(slot, taskId)
    if (!task) return
    const { database, repository, outcomes, checkpoints } = this.#parts
    let isStored = false
    if (checkpoint && task.kind === 'train') {
      try {
        await outcomes.checkCheckpoint(task, checkpoint, task.epoch - 1)
        isStored = await database.write(async (transaction) => {
          const run = await repository.findIn(transaction, task.run_id)
          if (!run || isFinal(run.status)) return false
          await outcomes.recordCheckpoint(transaction, run, checkpoint, this.#preparedOf(run.id)!)
          return true
        })
      } catch (error) {
        if (!(error instanceof BadResultError)) throw error
        this.#parts.log.warn({ slot, err: error }, 'the checkpoint of a stopped task is of no use')
      }
      if (!isStored) await checkpoints.remove(task.run_id, [checkpoint.checkpoint_id])
    }
    await this.#giveBack(slot, task, isStored ? 'reset' : 'keep', null)
    await this.#next()
  }

  async #failed(slot: number, taskId: string, failure: Failure) {
    const task = this.#heldTask(slot, taskId)
    if (!task) return
    await this.#giveBack(slot, task, 'add', failure)
    await this.#next()
  }

  async #lost(slot: number, exit: TrainerExit) {
    const task = this.#parts.pool.taskOf(slot)
    if (!task) return this.#dispatch()
    const failure: Failure = {
      kind: 'infrastructure',
      code: 'TRAINER_LOST',
      message: `trainer ${slot} was lost: ${exit.reason}`,
      ...(task.kind === 'train' ? { block: task.block } : {}),
    }
    // one that was told to stop and did not answer in time has done nothing wrong
    const isStopping = this.#closing || (await this.#isCanceling(task.run_id))
    await this.#giveBack(slot, task, isStopping ? 'keep' : 'add', isStopping ? null : failure)
    await this.#next()
  }

  async #isCanceling(runId: string): Promise<boolean> {
    const run = await this.#parts.repository.find(runId)
    return !run || run.status === 'canceling' || isFinal(run.status)
  }

  /** A task goes back into the queue, or ends its run: where nobody but the user can mend the failure, or where it was tried often enough. */
  async #giveBack(slot: number, task: Task, attempts: Attempts, failure: Failure | null) {
    const { database, repository, events, queue, pool } = this.#parts
    this.#renewedAt.delete(task.task_id)
    await database.write(async (transaction) => {
      const tries = await queue.release(transaction, task.task_id, slot, attempts)
      const run = await repository.findIn(transaction, task.run_id)
      if (!run || isFinal(run.status)) return
      await this.#clearTrainer(transaction, task)
      if (!failure || run.status === 'canceling' || tries === null) return
      await this.#resetBlock(transaction, task)
      if (failure.kind !== 'infrastructure' || tries >= maxAttempts) return this.#fail(transaction, task.run_id, failure)
      await events.append(transaction, task.run_id, [
        logEvent('warn', `${failure.message}; its task is repeated from the newest checkpoint`),
      ])
      await repository.changeStatus(transaction, task.run_id, 'interrupted', failure.message)
    })
    pool.finish(slot, 'other')
  }

  /** After a task is over: ends a cancel that waited for it, stops what a failed run still does, and goes on. */
  async #next() {
    await this.#finishCancel()
    await this.#leaveEndedRun()
    await this.#dispatch()
  }

  async #finishCancel() {
    const { database, repository, pool } = this.#parts
    if (!this.#active || pool.busySlots(this.#active.id).length > 0) return
    const { id } = this.#active
    const run = await repository.find(id)
    if (run?.status === 'canceling') await database.write((transaction) => this.#end(transaction, id, 'canceled', 'canceled on request'))
    await this.#leaveEndedRun()
  }

  async #leaveEndedRun() {
    if (!this.#active) return
    const { id } = this.#active
    const run = await this.#parts.repository.find(id)
    if (run && !isFinal(run.status)) return
    this.#active = null
    this.#parts.pool.stop(id)
  }

  async #succeed(transaction: Transaction, runId: string) {
    const { repository, events } = this.#parts
    const run = (await repository.findIn(transaction, runId))!
    const progress = {
      ...run.progress,
      epoch: run.config.epochs,
      step: run.progress.steps ?? run.progress.step,
      fraction: 1,
      eta_seconds: 0,
    }
    await transaction.db.run.update({ where: { id: runId }, data: { progress } })
    await events.append(transaction, runId, [{ body: { type: 'progress', ...progress }, key: null }])
    await this.#end(transaction, runId, 'succeeded', null)
  }

  async #fail(transaction: Transaction, runId: string, failure: Failure) {
    await this.#parts.events.append(transaction, runId, [logEvent('error', failure.message)])
    await this.#end(transaction, runId, 'failed', failure.message, failure)
  }

  async #end(
    transaction: Transaction,
    runId: string,
    status: 'canceled' | 'succeeded' | 'failed',
    reason: string | null,
    failure: Failure | null = null,
  ) {
    const { queue, repository } = this.#parts
    // what was reported since the last second counts, and all of it in a run that took no second
    const run = await repository.findIn(transaction, runId)
    if (run && this.#active?.id === runId)
      await transaction.db.run.update({ where: { id: runId }, data: { metrics: newestMetrics(run, this.#active.tracker) } })
    await queue.drop(transaction, runId)
    await repository.changeStatus(transaction, runId, status, reason, failure)
  }

  async #cannotStart({ reason, output }: TrainerExit) {
    if (!this.#active) return
    const { id } = this.#active
    const lastLine = output.split('\n').findLast((line) => /\S/.test(line))
    const message = `no trainer could be started: ${reason}${lastLine ? ` (${output.match(/^\w*Error.*$/m)?.[0] ?? lastLine})` : ''}`
    await this.#parts.database.write((transaction) =>
      this.#fail(transaction, id, { kind: 'infrastructure', code: 'TRAINER_START_FAILED', message }),
    )
    await this.#next()
  }

  /** Once a second: how far, how fast, how much longer. */
  async #tick() {
    if (!this.#active || this.#closing || this.#recovery) return
    const { database, repository, events } = this.#parts
    const { id, tracker, prepared } = this.#active
    await database.write(async (transaction) => {
      const run = await repository.findIn(transaction, id)
      if (run?.status !== 'running') return
      const epoch = run.blocks.length > 0 ? Math.min(...run.blocks.map((block) => block.epoch)) : 0
      const progress = tracker.progress(epoch, prepared)
      if (JSON.stringify(progress) === JSON.stringify(run.progress)) return
      await transaction.db.run.update({ where: { id }, data: { progress, metrics: newestMetrics(run, tracker) } })
      await events.append(transaction, id, [{ body: { type: 'progress', ...progress }, key: null }])
    })
  }

  async #clearTrainer({ db }: Transaction, task: Task) {
    if (task.kind === 'train') await db.blockState.updateMany({ where: { runId: task.run_id, block: task.block }, data: { trainer: null } })
  }

  /** Sets a block back to its newest checkpoint. */
  async #resetBlock({ db }: Transaction, task: Task) {
    if (task.kind !== 'train') return
    const { run_id: runId, block } = task
    const newest = await db.checkpoint.findFirst({ where: { runId, block }, orderBy: { step: 'desc' } })
    await db.blockState.updateMany({ where: { runId, block }, data: { step: newest?.step ?? 0, trainer: null } })
    if (this.#active?.id === runId) this.#active.tracker.setStep(block, newest?.step ?? 0)
  }

  async #resetBlocks({ db }: Transaction, runId: string) {
    await db.$executeRaw`
      UPDATE "BlockState" SET "trainer" = NULL, "step" = coalesce(
        (SELECT max(c."step") FROM "Checkpoint" c WHERE c."runId" = "BlockState"."runId" AND c."block" = "BlockState"."block"), 0)
      WHERE "runId" = ${runId}`
  }

  /** The server ends: what is still leased goes back, and the run waits for the next start. */
  async #park() {
    const { database, repository, queue, pool } = this.#parts
    for (const slot of pool.busySlots(null)) pool.finish(slot, 'other')
    if (!this.#active) return
    const { id } = this.#active
    await database.write(async (transaction) => {
      const run = await repository.findIn(transaction, id)
      if (!run || isFinal(run.status)) return
      await queue.releaseRun(transaction, id)
      await this.#resetBlocks(transaction, id)
      if (run.status === 'canceling') return this.#end(transaction, id, 'canceled', 'canceled on request')
      await repository.changeStatus(transaction, id, 'interrupted', 'the server was stopped; the run goes on when it starts again')
    })
  }

  /**
   * The database refused a write, so that what the trainers do can no longer be recorded: ends them and tries again after a pause.
   * A full disk is waited for; any other cause ends the run after some tries.
   */
  #storageFailed(error: unknown) {
    const { log, pool } = this.#parts
    log.error({ err: error }, isDiskFull(error) ? 'the disk is full; training waits until there is room' : 'training was interrupted')
    if (this.#closing || this.#recovery) return
    if (!isDiskFull(error)) this.#recoveries++
    pool.kill('its work could not be recorded')
    for (const slot of pool.busySlots(null)) pool.finish(slot, 'other')
    this.#recovery = setTimeout(() => {
      this.#recovery = null
      void this.#inTurn(() => this.#recover(error))
    }, this.#parts.recoveryPauseMs)
  }

  async #recover(cause: unknown) {
    const { database, repository, events, queue } = this.#parts
    const reason = isDiskFull(cause) ? 'the disk was full' : `the server could not record its work: ${(cause as Error).message}`
    const id = this.#active?.id
    if (id) {
      await database.write(async (transaction) => {
        const run = await repository.findIn(transaction, id)
        if (!run || isFinal(run.status)) return
        await queue.releaseRun(transaction, id)
        await this.#resetBlocks(transaction, id)
        if (run.status === 'canceling') return this.#end(transaction, id, 'canceled', 'canceled on request')
        if (this.#recoveries >= maxRecoveries)
          return this.#fail(transaction, id, { kind: 'infrastructure', code: 'STORAGE_FAILED', message: reason })
        await events.append(transaction, id, [logEvent('error', `${reason}; going on from the newest checkpoints`)])
        await repository.changeStatus(transaction, id, 'interrupted', reason)
      })
    }
    if (this.#recoveries >= maxRecoveries) this.#recoveries = 0 // the next run has tries of its own
    this.#active = null
    await this.#dispatch()
  }
}

/** What is known of a run in numbers, with the training loss as it was last reported. */
function newestMetrics({ metrics }: Run, tracker: ProgressTracker): Run['metrics'] {
  const trainLoss = tracker.trainLoss()
  return trainLoss === null ? metrics : { ...metrics, train_loss: trainLoss }
}
