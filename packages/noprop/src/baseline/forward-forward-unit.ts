/**
 * @file The forward-forward algorithm (Hinton, arXiv:2212.13345) on the blocks of NoProp-DT: every block learns, by a gradient of its own, to tell an image with
 * its label from the image with another one. Unlike NoProp's, a block needs the activity of the one before it.
 */

import type { Program } from '@noprop/engine'
import {
  add,
  cast,
  greater,
  mean,
  type NamedTensorMap,
  reshape,
  slice,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
} from '@tensorflow/tfjs-core'
import { countParameters } from '../block/parameters.ts'
import type { TrainingUnit } from '../model.ts'
import { adamInputs, adamInputSpecs, adamStep } from '../optimizer/adam.ts'
import { purposes, randomWord, streamKey } from '../random/counter-random.ts'
import { wholeUnit } from '../train/continuous-unit.ts'
import { requireBatchForNorm } from '../train/denoising-unit.ts'
import { differentiate } from '../train/differentiate.ts'
import { readScalars } from '../train/read-scalars.ts'
import { createStepBuffers, imageInput, imageSpec, labelInput } from '../train/step-inputs.ts'
import type { ForwardForwardParts } from './forward-forward-parts.ts'
import { goodness, goodnessLoss, normalizeLength } from './goodness.ts'

/** The unit of all blocks. */
export function forwardForwardUnit(parts: ForwardForwardParts): TrainingUnit {
  const { config, stack } = parts
  const buffers = createStepBuffers()
  return {
    block: wholeUnit,
    parameterCount: countParameters(stack.parameters),
    programKey: 'forward-forward',
    stepsPerEpoch: (batches) => batches,
    initialState: (seed) => stack.initialState(seed),
    trainingProgram: (batchSize) => trainingProgram(batchSize, parts),
    stepInputs(batch, context) {
      const labels = labelInput(batch, config.numClasses, buffers)
      const candidates = buffers.array('candidates', (1 + config.noiseSamples) * labels.length, Int32Array)
      fillCandidates(candidates, labels, config.numClasses, streamKey(context.seed, purposes.trainingNoise, wholeUnit, context.step))
      return {
        images: imageInput(batch, config),
        candidates,
        ...stack.maskInputs(labels.length, context, buffers),
        ...adamInputs(config, context),
      }
    },
    readMetrics: readScalars,
  }
}

/** The labels, and then as many times as there is room wrong ones, each of the others being as likely. */
function fillCandidates(candidates: Int32Array, labels: Int32Array, numClasses: number, key: ReturnType<typeof streamKey>): void {
  candidates.set(labels)
  for (let i = labels.length; i < candidates.length; i++) {
    const label = labels[i % labels.length]!
    const other = randomWord(key, i) % (numClasses - 1)
    candidates[i] = other < label ? other : other + 1
  }
}

function trainingProgram(batchSize: number, parts: ForwardForwardParts): Program {
  const { config, stack } = parts
  requireBatchForNorm(batchSize)
  const rows = (1 + config.noiseSamples) * batchSize
  const names = stack.parameters.map(({ name }) => name)

  return {
    state: stack.stateSpecs(),
    inputs: {
      images: imageSpec(batchSize, config),
      candidates: { shape: [rows], dtype: 'int32' },
      ...stack.maskSpecs(batchSize),
      ...adamInputSpecs(config),
    },
    run(state, inputs) {
      const { loss, goodnesses, gradients, runningStatistics } = learnBlockByBlock(state, inputs, batchSize, parts)
      const step = adamStep(state, names, gradients, { config, inputs })
      const positive = slice(goodnesses, 0, 1)
      const negative = slice(goodnesses, 1)
      return {
        state: { ...step.state, ...runningStatistics },
        outputs: {
          weighted_loss: loss,
          accuracy: mean(cast(greater(positive, negative), 'float32')),
          positive_goodness: mean(positive),
          negative_goodness: mean(negative),
          gradient_norm: step.gradientNorm,
          update_ratio: step.updateRatio,
        },
      }
    },
  }
}

interface LearnedBlocks {
  /** sum of the losses of all blocks */
  readonly loss: Tensor
  /** of the last block, [1 + negatives, batch] */
  readonly goodnesses: Tensor2D
  readonly gradients: NamedTensorMap
  readonly runningStatistics: NamedTensorMap
}

/** Each block is differentiated alone: what it reads of the block before it is a constant there. */
function learnBlockByBlock(state: NamedTensorMap, inputs: NamedTensorMap, batchSize: number, parts: ForwardForwardParts): LearnedBlocks {
  const { embedding, blocks, stack } = parts
  const images = inputs['images'] as Tensor4D
  const losses: Tensor[] = []
  const gradients: NamedTensorMap = {}
  const runningStatistics: NamedTensorMap = {}
  let goodnesses: Tensor2D | undefined
  let z = embedding.embed(state, inputs['candidates'] as Tensor1D)
  blocks.forEach((block, i) => {
    const t = i + 1
    const learned = differentiate(state, stack.differentiatedNames(t), () => {
      const run = stack.train(t, state, inputs, (weights, mode) => block.hidden(weights, images, z, mode))
      const byCandidate = reshape(goodness(run.result), [-1, batchSize]) as Tensor2D
      return { loss: goodnessLoss(byCandidate), others: { hidden: run.result, byCandidate, ...run.runningStatistics } }
    })
    const { hidden, byCandidate, ...statistics } = learned.others
    losses.push(learned.loss)
    Object.assign(gradients, learned.gradients)
    Object.assign(runningStatistics, statistics)
    goodnesses = byCandidate as Tensor2D
    z = normalizeLength(hidden as Tensor2D)
  })
  return { loss: losses.reduce((left, right) => add(left, right)), goodnesses: goodnesses!, gradients, runningStatistics }
}
