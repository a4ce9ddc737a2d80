import type { PrepareResult, RunConfig, Split } from '@noprop/contract'
import type { TrainingPlan } from './training-plan.ts'

/** A task as it enters the queue. */
export interface PlannedTask {
  readonly kind: 'prepare' | 'train' | 'evaluate'
  /** lower first */
  readonly priority: number
  readonly block?: number
  readonly epoch?: number
  readonly split?: Split
  readonly offset?: number
  readonly count?: number
}

/** Examples of one evaluation task: small enough to share an evaluation between trainers. */
const examplesPerShard = 2500

/** Above every priority of an evaluation, which is its epoch. */
const firstTrainingPriority = 10_000
/** More than there are units. */
const prioritiesPerEpoch = 1001

/** Gets the data and counts it; everything else follows from its result. */
export const prepareTask: PlannedTask = { kind: 'prepare', priority: 0 }

/** One epoch of one unit. The lowest epoch comes first, in it the head (0), then the lowest block. */
export function trainTask(block: number, epoch: number): PlannedTask {
  return { kind: 'train', priority: firstTrainingPriority + epoch * prioritiesPerEpoch + block, block, epoch }
}

/** The first tasks of training: an epoch of every unit, or, where they take turns, of the first one. */
export function firstTrainTasks({ units, in_turn }: TrainingPlan): PlannedTask[] {
  return (in_turn ? units.slice(0, 1) : units).map((block) => trainTask(block, 1))
}

/** What follows when a unit has finished an epoch: its own next one, or, where the units take turns, the next unit's, and after the last one's the next epoch. */
export function nextTrainTasks(block: number, epoch: number, { units, in_turn }: TrainingPlan, epochs: number): PlannedTask[] {
  const next = in_turn ? units[units.indexOf(block) + 1] : undefined
  if (next !== undefined) return [trainTask(next, epoch)]
  return epoch < epochs ? [trainTask(in_turn ? units[0]! : block, epoch + 1)] : []
}

/** Where units take turns: the unit that trained before this one does, and the epoch that it then finished. Null for the first turn of all. */
export function turnBefore(block: number, epoch: number, { units }: TrainingPlan): { block: number; epoch: number } | null {
  const place = units.indexOf(block)
  if (place > 0) return { block: units[place - 1]!, epoch }
  return epoch > 1 ? { block: units.at(-1)!, epoch: epoch - 1 } : null
}

/** The shards of all evaluations that are due once every unit has finished `epoch`; they come before any training. */
export function evaluationTasks(epoch: number, config: RunConfig, facts: PrepareResult): PlannedTask[] {
  return evaluationSplits(epoch, config).flatMap((split) => {
    const examples = split === 'test' ? facts.test_examples : facts.validation_examples
    const shards = Math.ceil(examples / examplesPerShard)
    return Array.from({ length: shards }, (_, i): PlannedTask => {
      const offset = i * examplesPerShard
      return { kind: 'evaluate', priority: epoch, epoch, split, offset, count: Math.min(examplesPerShard, examples - offset) }
    })
  })
}

/** Every `evaluation_interval` epochs on the validation split, or on the test split where there is none; the last epoch on the test split in any case. */
export function evaluationSplits(epoch: number, config: Pick<RunConfig, 'epochs' | 'evaluation_interval' | 'validation_size'>): Split[] {
  const splits = new Set<Split>()
  if (epoch > 0 && epoch % config.evaluation_interval === 0) splits.add(config.validation_size > 0 ? 'validation' : 'test')
  if (epoch === config.epochs) splits.add('test')
  return [...splits]
}

export interface BlockCheckpoint {
  readonly id: string
  readonly block: number
  /** epochs finished when it was written */
  readonly epoch: number
  readonly step: number
}

/** Of each block the checkpoint that ended `epoch`, before any that was written in the middle of the next one. */
export function checkpointsOfEpoch<T extends BlockCheckpoint>(checkpoints: readonly T[], epoch: number): T[] {
  const byBlock = new Map<number, T>()
  for (const checkpoint of checkpoints) {
    if (checkpoint.epoch !== epoch) continue
    const known = byBlock.get(checkpoint.block)
    if (!known || checkpoint.step < known.step) byBlock.set(checkpoint.block, checkpoint)
  }
  return [...byBlock.values()].sort((a, b) => a.block - b.block)
}

/** The newest epoch that every unit has ended with a checkpoint that is still kept; 0 where there is none. */
export function newestWholeEpoch(checkpoints: readonly BlockCheckpoint[], units: readonly number[]): number {
  const epochs = new Set(checkpoints.map(({ epoch }) => epoch))
  return Math.max(
    0,
    ...[...epochs].filter((epoch) => units.every((unit) => checkpoints.some(({ block, epoch: own }) => block === unit && own === epoch))),
  )
}

/**
 * Checkpoints that nothing needs any more: not the newest of its block, not of an epoch whose evaluation is still to come, not of the newest epoch that was
 * evaluated, and, where blocks share weights and so only work together as they were at the end of an epoch, not of the newest one that all have finished.
 */
export function superfluousCheckpoints<T extends BlockCheckpoint>(
  checkpoints: readonly T[],
  config: Pick<RunConfig, 'epochs' | 'evaluation_interval' | 'validation_size'>,
  evaluated: readonly { epoch: number; split: string }[],
  plan: TrainingPlan,
): T[] {
  const isEvaluated = (epoch: number) =>
    evaluationSplits(epoch, config).every((split) => evaluated.some((done) => done.epoch === epoch && done.split === split))
  const newestEvaluated = Math.max(-1, ...evaluated.map(({ epoch }) => epoch).filter(isEvaluated))
  const newestWhole = plan.in_turn ? newestWholeEpoch(checkpoints, plan.units) : null
  const kept = new Set<T>()
  for (const checkpoint of checkpoints) {
    const isNewest = checkpoints.every((other) => other.block !== checkpoint.block || other.step <= checkpoint.step)
    if (isNewest) kept.add(checkpoint)
  }
  for (const epoch of new Set(checkpoints.map((checkpoint) => checkpoint.epoch))) {
    if (epoch !== newestEvaluated && epoch !== newestWhole && isEvaluated(epoch)) continue
    for (const checkpoint of checkpointsOfEpoch(checkpoints, epoch)) kept.add(checkpoint)
  }
  return checkpoints.filter((checkpoint) => !kept.has(checkpoint))
}
