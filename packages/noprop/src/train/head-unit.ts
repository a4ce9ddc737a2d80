/** @file The classifier head and its optimizer: learns y from z_T drawn from its marginal. No block takes part. */

import type { Program } from '@noprop/engine'
import type { ClassifierHead } from '../block/classifier-head.ts'
import { countParameters } from '../block/parameters.ts'
import type { LabelEmbedding } from '../embedding/label-embedding.ts'
import { indicatorRows } from '../embedding/one-hot.ts'
import { accuracy } from '../loss/accuracy.ts'
import { crossEntropy } from '../loss/cross-entropy.ts'
import { sampleLatent } from '../loss/latent.ts'
import type { ModelConfig, TrainingUnit } from '../model.ts'
import { adamwStep } from '../optimizer/adamw.ts'
import type { NoiseSchedule } from '../schedule/noise-schedule.ts'
import { differentiate } from './differentiate.ts'
import { readScalars } from './read-scalars.ts'
import { initialUnitState, stateSpecs } from './state-layout.ts'
import { commonInputSpecs, commonStepInputs, createStepBuffers, readCommonInputs } from './step-inputs.ts'

/** Number of the unit that all blocks share. */
const sharedUnit = 0

interface Parts {
  readonly config: ModelConfig
  readonly head: ClassifierHead
  readonly embedding: LabelEmbedding
  readonly schedule: NoiseSchedule
}

/**
 * The unit of the classifier head, which minimises the cross-entropy of Eq. 8. Its T updates per mini-batch, which Algorithm 1 spreads over the T passes of an
 * epoch, one with each block, are done one after the other on that mini-batch. With a fixed embedding the head sees labels and noise alone, and every update
 * draws its own noise, so only the order of the mini-batches differs.
 */
export function headUnit(parts: Parts): TrainingUnit {
  const { config, head, embedding, schedule } = parts
  const buffers = createStepBuffers()
  const common = {
    block: sharedUnit,
    timestep: config.blocks,
    schedule,
    weightDecay: config.weightDecay,
    noiseSamples: config.noiseSamples,
    embeddingDim: embedding.dimension,
    numClasses: config.numClasses,
  }
  return {
    block: sharedUnit,
    parameterCount: countParameters(head.parameters),
    programKey: 'classifier-head',
    // Algorithm 1 updates the head in the loop over blocks and mini-batches: T times for each batch.
    stepsPerEpoch: (batches) => batches * config.blocks,
    initialState: (seed) => initialUnitState(head.parameters, { seed, block: sharedUnit }),
    trainingProgram: (batchSize) => trainingProgram(batchSize, parts),
    stepInputs: (batch, context) => commonStepInputs(batch, context, common, buffers),
    readMetrics: readScalars,
  }
}

function trainingProgram(batchSize: number, { config, head, embedding }: Parts): Program {
  const names = head.parameters.map(({ name }) => name)
  return {
    state: stateSpecs(head.parameters),
    inputs: commonInputSpecs(batchSize, config.noiseSamples, embedding.dimension),
    run(state, inputs) {
      const { labels, noise, scales, optimizer } = readCommonInputs(inputs)
      const { loss, others, gradients } = differentiate(state, names, () => {
        const z = sampleLatent(embedding.embed(labels), noise, scales)
        const logits = head.logits(state, z)
        return { loss: crossEntropy(logits, indicatorRows(labels, config.numClasses)), others: { accuracy: accuracy(logits, labels) } }
      })
      const step = adamwStep(state, names, gradients, optimizer)
      return {
        state: step.state,
        outputs: { cross_entropy: loss, accuracy: others['accuracy']!, gradient_norm: step.gradientNorm, update_ratio: step.updateRatio },
      }
    },
  }
}
