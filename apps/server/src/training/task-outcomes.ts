import type {
  CheckpointFacts,
  EvaluateResult,
  EvaluationFacts,
  PrepareResult,
  Provenance,
  Run,
  Split,
  Task,
  TaskResult,
} from '@noprop/contract'
import type { CheckpointStore } from '../checkpoints/checkpoint-store.ts'
import { type EventLog, logEvent } from '../events/event-log.ts'
import { newId } from '../ids.ts'
import type { Transaction } from '../plugins/database.ts'
import { evaluationMetrics, mergeEvaluation } from './merge-evaluation.ts'
import { evaluationTasks, firstTrainTasks, nextTrainTasks, superfluousCheckpoints } from './task-graph.ts'
import type { TaskQueue } from './task-queue.ts'
import { isBlock, stepsOfRun, type TrainingPlan } from './training-plan.ts'

/** A result that cannot be right; the task is repeated. */
export class BadResultError extends Error {
  readonly code = 'BAD_RESULT'
}

export interface OutcomeParts {
  readonly queue: TaskQueue
  readonly events: EventLog
  readonly checkpoints: CheckpointStore
}

/** Records what tasks bring about, each in one transaction: results, checkpoints, where the blocks stand, the tasks that follow, and the events that say so. */
export class TaskOutcomes {
  readonly #parts: OutcomeParts

  constructor(parts: OutcomeParts) {
    this.#parts = parts
  }

  /**
   * Checks what a trainer claims before anything is recorded.
   *
   * @param prepared what the run was found to be; null as long as that is being found out, and when the run has ended
   * @throws {BadResultError} it does not belong to the task, or its checkpoint file is not there
   */
  async check(task: Task, result: TaskResult, prepared: PrepareResult | null): Promise<void> {
    if (result.kind !== task.kind) throw new BadResultError(`a ${task.kind} task cannot end with a ${result.kind} result`)
    if (result.kind === 'prepare') checkPlan(result, task.config.blocks)
    if (result.kind === 'train' && task.kind === 'train') await this.checkCheckpoint(task, result.checkpoint, task.epoch)
    if (result.kind === 'evaluate' && task.kind === 'evaluate') {
      const lengths = [result.noise_free, result.noisy].map((counts) => counts.correct_after_step.length)
      if (result.count !== task.count || lengths.some((length) => prepared && length !== prepared.chain_steps.length))
        throw new BadResultError('the counts are not those of the shard that was asked for')
    }
  }

  /** @throws {BadResultError} it is not a checkpoint of the task, or its file is not there */
  async checkCheckpoint(task: Extract<Task, { kind: 'train' }>, facts: CheckpointFacts, epoch: number): Promise<void> {
    if (facts.checkpoint_id !== task.checkpoint.checkpoint_id || facts.block !== task.block || facts.epoch !== epoch)
      throw new BadResultError('the checkpoint is not the one that was asked for')
    const size = await this.#parts.checkpoints.size(task.run_id, facts.checkpoint_id)
    if (size !== facts.size_bytes) throw new BadResultError('the file of the checkpoint is not there, or not whole')
  }

  /** The data is here: the blocks come into being, each with its first epoch to train. */
  async prepared(transaction: Transaction, run: Run, result: PrepareResult) {
    const { db } = transaction
    const provenance: Provenance = {
      ...run.provenance,
      data_sha256: result.data_sha256,
      device: result.device,
      versions: { ...run.provenance.versions, ...result.versions },
    }
    const progress = { ...run.progress, steps: stepsOfRun(result, run.config.epochs) }
    await db.run.update({ where: { id: run.id }, data: { provenance, progress, parameters: result.parameters } })
    await db.blockState.createMany({ data: result.units.map((block) => ({ runId: run.id, block })) })
    await this.#parts.queue.add(transaction, run.id, firstTrainTasks(result))
    const message = `${result.train_examples} training, ${result.validation_examples} validation and ${result.test_examples} test images; ${result.parameters.total} parameters; ${result.device}`
    await this.#parts.events.append(transaction, run.id, [logEvent('info', message)])
  }

  /** An epoch of one block is over. The next one follows, and the evaluation, where this block was the last to finish the epoch. */
  async trained(transaction: Transaction, run: Run, facts: CheckpointFacts, prepared: PrepareResult) {
    const { block, epoch } = facts
    await this.recordCheckpoint(transaction, run, facts, prepared)
    await this.#parts.queue.add(transaction, run.id, nextTrainTasks(block, epoch, prepared, run.config.epochs))
    const behind = await transaction.db.blockState.count({ where: { runId: run.id, epoch: { lt: epoch } } })
    if (behind === 0) await this.#parts.queue.add(transaction, run.id, evaluationTasks(epoch, run.config, prepared))
  }

  async recordCheckpoint(transaction: Transaction, run: Pick<Run, 'id' | 'config'>, facts: CheckpointFacts, prepared: PrepareResult) {
    const { db } = transaction
    const { checkpoint_id: id, block, epoch, step, sha256, size_bytes: sizeBytes } = facts
    await db.checkpoint.create({ data: { id, runId: run.id, block, epoch, step, sha256, sizeBytes } })
    await db.blockState.update({ where: { runId_block: { runId: run.id, block } }, data: { epoch, step } })
    await this.#parts.events.append(transaction, run.id, [{ body: { type: 'checkpoint_saved', ...facts }, key: null }])
    await this.#prune(transaction, run, prepared)
  }

  /** A shard is done; with the last one of its evaluation, the evaluation is. Answers its facts then, else null. */
  async evaluated(
    transaction: Transaction,
    run: Run,
    { epoch, split }: { epoch: number; split: Split },
    prepared: PrepareResult,
  ): Promise<EvaluationFacts | null> {
    const { db } = transaction
    const shards = await db.task.findMany({ where: { runId: run.id, kind: 'evaluate', epoch, split } })
    if (shards.some(({ status }) => status !== 'done')) return null
    const facts = mergeEvaluation(
      epoch,
      split,
      shards.map(({ result }) => result as EvaluateResult),
      prepared.chain_steps,
    )
    const id = newId('eval')
    await db.evaluation.create({ data: { id, runId: run.id, epoch, split, facts } })
    await db.run.update({ where: { id: run.id }, data: { metrics: { ...run.metrics, ...evaluationMetrics(facts) } } })
    await this.#parts.events.append(transaction, run.id, [
      { body: { type: 'evaluation_completed', evaluation_id: id, ...facts }, key: null },
    ])
    await this.#prune(transaction, run, prepared)
    return facts
  }

  /** Drops the rows of checkpoints that nothing needs any more; the files follow when that is certain. */
  async #prune({ db, afterCommit }: Transaction, { id: runId, config }: Pick<Run, 'id' | 'config'>, plan: TrainingPlan) {
    const checkpoints = await db.checkpoint.findMany({ where: { runId }, select: { id: true, block: true, epoch: true, step: true } })
    const evaluated = await db.evaluation.findMany({ where: { runId }, select: { epoch: true, split: true } })
    const ids = superfluousCheckpoints(checkpoints, config, evaluated, plan).map(({ id }) => id)
    if (ids.length === 0) return
    await db.checkpoint.deleteMany({ where: { id: { in: ids } } })
    // a file that cannot be removed now is an orphan, which the next start removes
    afterCommit(() => void this.#parts.checkpoints.remove(runId, ids).catch(() => {}))
  }
}

/** @throws {BadResultError} what is to be trained, or counted, makes no sense */
function checkPlan({ units, chain_steps: steps }: PrepareResult, blocks: number) {
  if (new Set(units).size !== units.length || units.some((unit) => unit > blocks) || !units.some(isBlock))
    throw new BadResultError(`the units must be different ones of 0 … ${blocks}, and not the head alone`)
  if (steps.some((step, i) => i > 0 && step <= steps[i - 1]!)) throw new BadResultError('the steps of the chain must rise')
}
