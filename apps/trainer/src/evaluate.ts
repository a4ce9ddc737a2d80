import type { EvaluateResult, EvaluateTask } from '@noprop/contract'
import { gatherBatch } from '@noprop/datasets'
import type { HostTensors } from '@noprop/engine'
import type { Execute } from '@noprop/noprop'
import { readCheckpointFile } from './checkpoint-file.ts'
import { TrainerError } from './failure.ts'
import { compileChain } from './programs.ts'
import { TaskStopped } from './run-task.ts'
import { batchBuffers, modelOf, selectExamples, type TaskContext, yieldToEventLoop } from './task-context.ts'

const batchSize = 125
/** Chains that share the image path, in this order. */
const noiseFree = 0
const noisy = 1

/** Validation images draw other noise than test images of the same position. */
const firstKey = { test: 0, validation: 1_000_000 } as const

/** Runs the chain, with and without the noise of the method, on one shard of a split, and counts. */
export async function evaluate(task: EvaluateTask, context: TaskContext): Promise<EvaluateResult> {
  const startedAt = performance.now()
  const dataset = await context.dataset(task.dataset)
  const model = modelOf(task.config, dataset)
  const numClasses = dataset.classes.length
  const chain = model.chain({ batchSize, samples: [false, true] })
  const compiled = await compileChain(chain, await readWeights(task), context.compiler(task.config, model))
  // a chain of many steps takes many programs, and a stop must not wait for its end
  const execute: Execute = (program, inputs) => {
    if (context.isStopRequested()) throw new TaskStopped(null)
    return compiled(program, inputs)
  }

  const source = task.split === 'test' ? dataset.test : dataset.train
  const indices = selectExamples(dataset, task.config)[task.split].subarray(task.offset, task.offset + task.count)
  const tally = createTally(model.reportedSteps.length, numClasses)
  const batch = batchBuffers(dataset, batchSize)

  for (let start = 0; start < indices.length; start += batchSize) {
    const count = Math.min(batchSize, indices.length - start)
    // The program has a fixed batch size; the last batch repeats its first image and the surplus is not counted.
    const padded = Uint32Array.from({ length: batchSize }, (_, i) => indices[i < count ? start + i : start]!)
    const keys = Array.from({ length: batchSize }, (_, i) => firstKey[task.split] + task.offset + start + (i < count ? i : 0))
    gatherBatch(source, padded, dataset.normalization, batch)
    const { estimates, head } = await chain.run(execute, batch.images, keys, task.config.seed)
    for (let i = 0; i < count; i++) tally.add(i, batch.labels[i]!, estimates, head)
    await yieldToEventLoop()
  }

  if (!Number.isFinite(tally.result.loss_sum)) {
    throw new TrainerError(
      'DIVERGED',
      'user',
      `the network of epoch ${task.epoch} gives no finite loss: training diverged; try a lower learning rate`,
    )
  }
  return { kind: 'evaluate', count: indices.length, ...tally.result, seconds: (performance.now() - startedAt) / 1000 }
}

async function readWeights(task: EvaluateTask): Promise<ReadonlyMap<number, HostTensors>> {
  const states = new Map<number, HostTensors>()
  for (const checkpoint of task.checkpoints) states.set(checkpoint.block, (await readCheckpointFile(checkpoint)).state)
  return states
}

type Probabilities = readonly Float32Array[]

function createTally(steps: number, numClasses: number) {
  const counts = () => ({ correct_after_step: new Array<number>(steps).fill(0), correct_head: 0 })
  const result = {
    loss_sum: 0,
    noise_free: counts(),
    noisy: counts(),
    confusion_matrix: Array.from({ length: numClasses }, () => new Array<number>(numClasses).fill(0)),
  }

  function addChain(
    target: ReturnType<typeof counts>,
    i: number,
    label: number,
    estimates: readonly Probabilities[],
    head: Probabilities,
    sample: number,
  ) {
    estimates.forEach((samples, index) => {
      if (argMax(samples[sample]!, i, numClasses) === label) target.correct_after_step[index]!++
    })
    if (argMax(head[sample]!, i, numClasses) === label) target.correct_head++
  }

  return {
    result,
    /** Counts image `i` of a batch. */
    add(i: number, label: number, estimates: readonly Probabilities[], head: Probabilities) {
      addChain(result.noise_free, i, label, estimates, head, noiseFree)
      addChain(result.noisy, i, label, estimates, head, noisy)
      const last = estimates[steps - 1]![noiseFree]!
      result.loss_sum -= Math.log(Math.max(last[i * numClasses + label]!, 1e-12))
      result.confusion_matrix[label]![argMax(last, i, numClasses)]!++
    },
  }
}

/** Class of the largest of the probabilities of image `i`. */
function argMax(probabilities: Float32Array, i: number, numClasses: number): number {
  let best = 0
  for (let k = 1; k < numClasses; k++) {
    if (probabilities[i * numClasses + k]! > probabilities[i * numClasses + best]!) best = k
  }
  return best
}
