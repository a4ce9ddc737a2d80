import type { CheckpointFacts, TrainResult, TrainTask } from '@noprop/contract'
import { type Augmentation, gatherBatch, type LoadedDataset } from '@noprop/datasets'
import type { HostTensors } from '@noprop/engine'
import { type Batch, epochPermutation, type InitialData, learningRateAt, type TrainingUnit } from '@noprop/noprop'
import { readCheckpointFile, writeCheckpointFile } from './checkpoint-file.ts'
import type { EventReporter } from './event-reporter.ts'
import { TrainerError } from './failure.ts'
import { createMeanMetrics } from './mean-metrics.ts'
import { compileUnit } from './programs.ts'
import { TaskStopped } from './run-task.ts'
import { batchBuffers, modelOf, selectExamples, type TaskContext, yieldToEventLoop } from './task-context.ts'

/** Longest time between two looks at the message queue of this thread. */
const yieldIntervalMs = 20
/** More than there can be units. */
const unitsPerEpoch = 1024

/** Trains one block to the end of one epoch and leaves a checkpoint. Every step is a pure function of (seed, block, step), so a repeated task gives the same bits. */
export async function trainBlock(task: TrainTask, context: TaskContext, reporter: EventReporter): Promise<TrainResult> {
  const { config, block, epoch } = task
  const startedAt = performance.now()
  const dataset = await context.dataset(task.dataset)
  const model = modelOf(config, dataset)
  const unit = model.units.find((candidate) => candidate.block === block)
  if (!unit) throw new TrainerError('UNKNOWN_BLOCK', 'infrastructure', `the model has no block ${block}`)

  const { train } = selectExamples(dataset, config)
  const batches = Math.floor(train.length / config.batch_size)
  const stepsPerEpoch = unit.stepsPerEpoch(batches)
  const stepsPerBatch = stepsPerEpoch / batches
  const totalSteps = stepsPerEpoch * config.epochs

  const programs = await compileUnit(unit, config.batch_size, context.compiler(config, model))
  const { state, step: firstStep } = await restore(task, unit, dataset, (epoch - 1) * stepsPerEpoch)
  await programs.training.writeState(state)
  let step = firstStep
  reporter.report({ type: 'block_started', block, epoch, step, trainer: trainerSlot(), pid: process.pid })
  reporter.flush()

  const order = epochPermutation(config.seed, block, epoch, train.length)
  const nextBatch = batchReader(dataset, train, order, config.batch_size, augmentationOf(task))
  const metrics = createMeanMetrics()
  const metricsInterval = config.metrics_interval * stepsPerBatch
  const lastStep = epoch * stepsPerEpoch
  let yieldedAt = performance.now()

  const save = (epochsFinished: number): Promise<CheckpointFacts> =>
    writeCheckpointFile(
      task.checkpoint,
      { block, epoch: epochsFinished, step, config },
      programs.training,
      unit.trainingProgram(config.batch_size).state,
    )

  while (step < lastStep) {
    if (context.isStopRequested()) {
      reportMetrics()
      throw new TaskStopped(step > firstStep ? await save(epoch - 1) : null)
    }
    const stepStartedAt = performance.now()
    const stepInEpoch = step - (epoch - 1) * stepsPerEpoch
    const batch = nextBatch(Math.floor(stepInEpoch / stepsPerBatch))
    const learningRate = learningRateAt({ schedule: config.learning_rate_schedule, base: config.learning_rate, step, totalSteps })
    const outputs = await programs.step(unit.stepInputs(batch, { seed: config.seed, step, learningRate, batches }))
    step++

    const seconds = (performance.now() - stepStartedAt) / 1000
    metrics.add({
      ...unit.readMetrics(outputs),
      step_seconds: seconds,
      ...(block === 0 ? {} : { images_per_second: config.batch_size / seconds }),
      learning_rate: learningRate,
    })
    if (step % metricsInterval === 0 || step === lastStep) reportMetrics()
    if (performance.now() - yieldedAt > yieldIntervalMs) {
      await yieldToEventLoop()
      yieldedAt = performance.now()
    }
  }

  return { kind: 'train', checkpoint: await save(epoch), seconds: (performance.now() - startedAt) / 1000 }

  function reportMetrics() {
    const values = metrics.take()
    if (!values) return
    const broken = Object.entries(values).find(([, value]) => !Number.isFinite(value))
    if (broken) {
      throw new TrainerError(
        'DIVERGED',
        'user',
        `${broken[0]} of block ${block} is not a finite number at step ${step}: training diverged; try a lower learning rate`,
      )
    }
    reporter.report({ type: 'block_metrics', block, epoch, step, values })
  }
}

/**
 * The state that the unit begins with, and the steps that it has done.
 *
 * @param epochStart steps before the epoch of the task
 */
async function restore(
  { config, resume_from, shared_from, prototypes }: TrainTask,
  unit: TrainingUnit,
  dataset: LoadedDataset,
  epochStart: number,
): Promise<{ state: HostTensors; step: number }> {
  const own = resume_from
    ? await readCheckpointFile(resume_from)
    : { step: 0, state: unit.initialState(config.seed, prototypes ? initialData(prototypes, dataset) : undefined) }
  // what a checkpoint from the middle of the epoch holds has been handed over before it was written, and trained since
  if (!shared_from || !unit.adoptShared || own.step > epochStart) return own
  return { step: own.step, state: unit.adoptShared(own.state, (await readCheckpointFile(shared_from)).state) }
}

/** Training images as the network sees them. */
function initialData(indices: readonly number[], dataset: LoadedDataset): InitialData {
  const { images } = gatherBatch(dataset.train, Uint32Array.from(indices), dataset.normalization, batchBuffers(dataset, indices.length))
  return { prototypes: images }
}

/** How the images change: otherwise in every epoch of every unit. */
function augmentationOf({ config, block, epoch }: TrainTask): Augmentation | undefined {
  if (config.augmentation === 'none') return undefined
  return { kind: config.augmentation, seed: config.seed, stream: epoch * unitsPerEpoch + block }
}

/** Reads mini-batches in the order of a permutation; the images of a batch stay valid until the next one is read. */
function batchReader(
  dataset: LoadedDataset,
  train: Uint32Array,
  order: Uint32Array,
  batchSize: number,
  augmentation: Augmentation | undefined,
) {
  const batch = batchBuffers(dataset, batchSize)
  const indices = new Uint32Array(batchSize)
  let current = -1

  return (index: number): Batch => {
    if (index === current) return batch
    current = index
    for (let i = 0; i < batchSize; i++) indices[i] = train[order[index * batchSize + i]!]!
    gatherBatch(dataset.train, indices, dataset.normalization, batch, augmentation)
    return batch
  }
}

function trainerSlot(): number {
  return Number(process.env['NOPROP_TRAINER_SLOT'] ?? 0)
}
