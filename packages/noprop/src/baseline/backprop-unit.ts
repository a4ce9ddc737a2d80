/** @file Back-propagation through the whole chain of blocks, which is what NoProp does without: same blocks, same head, same data, one loss. */

import type { Program } from '@noprop/engine'
import { type NamedTensorMap, softmax, type Tensor1D, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core'
import { countParameters } from '../block/parameters.ts'
import { accuracy } from '../loss/accuracy.ts'
import { crossEntropy } from '../loss/cross-entropy.ts'
import { targetRows } from '../loss/targets.ts'
import type { TrainingUnit } from '../model.ts'
import { adamInputs, adamInputSpecs, adamStep } from '../optimizer/adam.ts'
import { fillNormal, purposes, streamKey } from '../random/counter-random.ts'
import { wholeUnit } from '../train/continuous-unit.ts'
import { sharedParameters } from '../train/coupled-unit.ts'
import { requireBatchForNorm } from '../train/denoising-unit.ts'
import { differentiate, type LossResult } from '../train/differentiate.ts'
import { sharedUnit } from '../train/head-unit.ts'
import type { DiscreteParts } from '../train/model-parts.ts'
import { readScalars } from '../train/read-scalars.ts'
import { initialUnitState, stateSpecs } from '../train/state-layout.ts'
import { createStepBuffers, imageInput, imageSpec, labelInput, labelSpec } from '../train/step-inputs.ts'
import { type BlockStack, blockStack } from './block-stack.ts'
import { decodingParameters } from './decoding-head.ts'
import { mixEstimate, mixParameters } from './mix-estimate.ts'

/** The unit of the whole network. With the seed of a run of NoProp-DT it begins with the same weights in blocks, head and embedding, and reads the same z_0. */
export function backpropUnit(parts: DiscreteParts): TrainingUnit {
  const { config, block, embedding } = parts
  const stack = blockStack(new Array(config.blocks).fill(block), config)
  const shared = sharedParameters(parts)
  const mix = mixParameters(config.blocks)
  const averaged = config.emaDecay > 0
  const buffers = createStepBuffers()

  return {
    block: wholeUnit,
    parameterCount: countParameters([...stack.parameters, ...shared, ...mix]),
    programKey: 'backprop',
    stepsPerEpoch: (batches) => batches,
    initialState: (seed, data) => ({
      ...stack.initialState(seed),
      ...initialUnitState(mix, { seed, block: sharedUnit, averaged }),
      ...initialUnitState(decodingParameters(parts), { seed, block: sharedUnit, data, averaged }),
    }),
    trainingProgram: (batchSize) => trainingProgram(batchSize, stack, parts),
    stepInputs(batch, context) {
      const batchSize = batch.labels.length
      const start = buffers.array('start', config.noiseSamples * batchSize * embedding.dimension, Float32Array)
      fillNormal(start, streamKey(context.seed, purposes.trainingNoise, 1, context.step))
      return {
        images: imageInput(batch, config),
        labels: labelInput(batch, config.numClasses, buffers),
        start,
        ...stack.maskInputs(batchSize, context, buffers),
        ...adamInputs(config, context),
      }
    },
    readMetrics: readScalars,
  }
}

function trainingProgram(batchSize: number, stack: BlockStack, parts: DiscreteParts): Program {
  const { config, embedding } = parts
  requireBatchForNorm(batchSize)
  const others = [...sharedParameters(parts), ...mixParameters(config.blocks)]
  const otherNames = others.map(({ name }) => name)
  const names = [...stack.parameters.map(({ name }) => name), ...otherNames]
  const timesteps = Array.from({ length: config.blocks }, (_, i) => i + 1)
  const learning = [...timesteps.flatMap((t) => stack.differentiatedNames(t)), ...otherNames]

  return {
    state: { ...stack.stateSpecs(), ...stateSpecs(others, { averaged: config.emaDecay > 0 }) },
    inputs: {
      images: imageSpec(batchSize, config),
      labels: labelSpec(batchSize),
      start: { shape: [config.noiseSamples * batchSize, embedding.dimension], dtype: 'float32' },
      ...stack.maskSpecs(batchSize),
      ...adamInputSpecs(config),
    },
    run(state, inputs) {
      const { loss, others, gradients } = differentiate(state, learning, () => chainLoss(state, inputs, stack, parts))
      const { accuracy: correct, ...runningStatistics } = others
      const step = adamStep(state, names, gradients, { config, inputs })
      return {
        state: { ...step.state, ...runningStatistics },
        outputs: { cross_entropy: loss, accuracy: correct!, gradient_norm: step.gradientNorm, update_ratio: step.updateRatio },
      }
    },
  }
}

/** −log p̂(y | z_T) with z_T from the chain. */
function chainLoss(state: NamedTensorMap, inputs: NamedTensorMap, stack: BlockStack, parts: DiscreteParts): LossResult {
  const { config, block, embedding, head } = parts
  const labels = inputs['labels'] as Tensor1D
  const allStatistics: NamedTensorMap = {}
  let z = inputs['start'] as Tensor2D
  for (let t = 1; t <= config.blocks; t++) {
    const { result: logits, runningStatistics } = stack.train(t, state, inputs, (weights, mode) =>
      block.logits(weights, inputs['images'] as Tensor4D, z, mode),
    )
    Object.assign(allStatistics, runningStatistics)
    z = mixEstimate(state, t, z, embedding.combine(state, softmax(logits)))
  }
  const logits = head.logits(state, z)
  return {
    loss: crossEntropy(logits, targetRows(labels, config.numClasses, config.labelSmoothing)),
    others: { accuracy: accuracy(logits, labels), ...allStatistics },
  }
}
