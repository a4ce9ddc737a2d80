/** @file The classifier head and its optimizer: learns y from z_T drawn from its marginal. No block takes part. */

import type { Program } from '@noprop/engine'
import type { NamedTensorMap, Tensor1D } from '@tensorflow/tfjs-core'
import { countParameters } from '../block/parameters.ts'
import { accuracy } from '../loss/accuracy.ts'
import { crossEntropy } from '../loss/cross-entropy.ts'
import { sampleLatent } from '../loss/latent.ts'
import { targetRows } from '../loss/targets.ts'
import type { TrainingUnit } from '../model.ts'
import { adamInputs, adamInputSpecs, adamStep } from '../optimizer/adam.ts'
import { differentiate, type LossResult } from './differentiate.ts'
import type { DiscreteParts } from './model-parts.ts'
import { readScalars } from './read-scalars.ts'
import { initialUnitState, stateSpecs } from './state-layout.ts'
import { createStepBuffers, labelInput, labelSpec, latentInputs, latentSpecs, readLatentInputs } from './step-inputs.ts'

/** Number of the unit that all blocks share, and of the random numbers of what they share. */
export const sharedUnit = 0

/**
 * The unit of the classifier head, which minimises the cross-entropy of Eq. 8. Its T updates per mini-batch, which Algorithm 1 spreads over the T passes of an
 * epoch, one with each block, are done one after the other on that mini-batch. With a fixed embedding the head sees labels and noise alone, and every update
 * draws its own noise, so only the order of the mini-batches differs.
 */
export function headUnit(parts: DiscreteParts): TrainingUnit {
  const { config, head, embedding, schedule } = parts
  const buffers = createStepBuffers()
  return {
    block: sharedUnit,
    parameterCount: countParameters(head.parameters),
    programKey: 'classifier-head',
    // Algorithm 1 updates the head in the loop over blocks and mini-batches: T times for each batch.
    stepsPerEpoch: (batches) => batches * config.blocks,
    initialState: (seed) => initialUnitState(head.parameters, { seed, block: sharedUnit, averaged: config.emaDecay > 0 }),
    trainingProgram: (batchSize) => trainingProgram(batchSize, parts),
    stepInputs(batch, context) {
      const latent = { batchSize: batch.labels.length, noiseSamples: config.noiseSamples, embeddingDim: embedding.dimension }
      return {
        labels: labelInput(batch, config.numClasses, buffers),
        ...latentInputs(
          context.seed,
          { ...latent, alphaBar: schedule.alphaBar[config.blocks]!, draw: [sharedUnit, context.step], prefix: 'last' },
          buffers,
        ),
        ...adamInputs(config, context),
      }
    },
    readMetrics: readScalars,
  }
}

function trainingProgram(batchSize: number, parts: DiscreteParts): Program {
  const { config, head, embedding } = parts
  const names = head.parameters.map(({ name }) => name)
  return {
    state: stateSpecs(head.parameters, { averaged: config.emaDecay > 0 }),
    inputs: {
      labels: labelSpec(batchSize),
      ...latentSpecs(batchSize, config.noiseSamples, embedding.dimension, 'last'),
      ...adamInputSpecs(config),
    },
    run(state, inputs) {
      const { loss, others, gradients } = differentiate(state, names, () => headLoss(state, inputs, parts))
      const step = adamStep(state, names, gradients, { config, inputs })
      return {
        state: step.state,
        outputs: { cross_entropy: loss, accuracy: others['accuracy']!, gradient_norm: step.gradientNorm, update_ratio: step.updateRatio },
      }
    },
  }
}

/** E_{q(z_T|y)}[−log p̂(y | z_T)], the first term of Eq. 8. */
export function headLoss(state: NamedTensorMap, inputs: NamedTensorMap, { config, head, embedding }: DiscreteParts): LossResult {
  const labels = inputs['labels'] as Tensor1D
  const { epsilon, scales } = readLatentInputs(inputs, 'last')
  const logits = head.logits(state, sampleLatent(embedding.embed(state, labels), epsilon, scales))
  return {
    loss: crossEntropy(logits, targetRows(labels, config.numClasses, config.labelSmoothing)),
    others: { accuracy: accuracy(logits, labels) },
  }
}
