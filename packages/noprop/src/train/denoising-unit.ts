/** @file One denoising block and its optimizer: learns u_y from (z_{t−1}, x) and touches nothing else. */

import type { Program } from '@noprop/engine'
import { mul, type NamedTensorMap, type Scalar, softmax, type Tensor1D, type Tensor4D } from '@tensorflow/tfjs-core'
import type { DenoisingBlock } from '../block/denoising-block.ts'
import { countParameters } from '../block/parameters.ts'
import { trainingMode } from '../block/training-mode.ts'
import { ModelConfigError } from '../errors.ts'
import { accuracy } from '../loss/accuracy.ts'
import { blockLossWeight, denoisingLoss } from '../loss/denoising-loss.ts'
import { sampleLatent } from '../loss/latent.ts'
import { targetRows } from '../loss/targets.ts'
import type { TrainingUnit } from '../model.ts'
import { adamInputs, adamInputSpecs, adamStep } from '../optimizer/adam.ts'
import { differentiate, type LossResult } from './differentiate.ts'
import type { DiscreteParts } from './model-parts.ts'
import { readScalars } from './read-scalars.ts'
import { initialUnitState, stateSpecs } from './state-layout.ts'
import {
  createStepBuffers,
  imageInput,
  imageSpec,
  labelInput,
  labelSpec,
  latentInputs,
  latentSpecs,
  maskInputs,
  maskSpecs,
  readLatentInputs,
  scalarSpec,
} from './step-inputs.ts'

/** The unit of block t, which reads z_{t−1}. For a fixed embedding: with one that is trained, see coupled-unit.ts. */
export function denoisingUnit(t: number, parts: DiscreteParts): TrainingUnit {
  const { config, block, embedding, schedule } = parts
  const { parameters, normLayers } = block
  const buffers = createStepBuffers()
  const averaged = config.emaDecay > 0

  return {
    block: t,
    parameterCount: countParameters(parameters),
    // Timestep, loss weight and learning rate are inputs, so every block runs the same program.
    programKey: 'denoising-block',
    stepsPerEpoch: (batches) => batches,
    initialState: (seed) => initialUnitState(parameters, { seed, block: t, normLayers, averaged }),
    trainingProgram: (batchSize) => trainingProgram(batchSize, parts),
    stepInputs(batch, context) {
      const { seed, step } = context
      const batchSize = batch.labels.length
      const latent = { batchSize, noiseSamples: config.noiseSamples, embeddingDim: embedding.dimension }
      return {
        images: imageInput(batch, config),
        labels: labelInput(batch, config.numClasses, buffers),
        ...latentInputs(seed, { ...latent, alphaBar: schedule.alphaBar[t - 1]!, draw: [t, step] }, buffers),
        ...maskInputs({ seed, step, block: t }, { layers: block.dropoutLayers, batchSize, config }, buffers),
        ...adamInputs(config, context),
        lossWeight: Float32Array.of(blockLossWeight(schedule, config.eta, t)),
      }
    },
    readMetrics: readScalars,
  }
}

function trainingProgram(batchSize: number, parts: DiscreteParts): Program {
  const { config, block, embedding } = parts
  requireBatchForNorm(batchSize)
  const { parameters, normLayers } = block
  const names = parameters.map(({ name }) => name)

  return {
    state: stateSpecs(parameters, { normLayers, averaged: config.emaDecay > 0 }),
    inputs: {
      images: imageSpec(batchSize, config),
      labels: labelSpec(batchSize),
      ...latentSpecs(batchSize, config.noiseSamples, embedding.dimension),
      ...maskSpecs({ layers: block.dropoutLayers, batchSize, config }),
      ...adamInputSpecs(config),
      lossWeight: scalarSpec,
    },
    run(state, inputs) {
      const { loss, others, gradients } = differentiate(state, differentiatedNames(block), () => blockLoss(state, inputs, parts))
      const { denoising, accuracy: correct, ...runningStatistics } = others
      const step = adamStep(state, names, gradients, { config, inputs })
      return {
        state: { ...step.state, ...runningStatistics },
        outputs: {
          denoising_loss: denoising!,
          weighted_loss: loss,
          accuracy: correct!,
          gradient_norm: step.gradientNorm,
          update_ratio: step.updateRatio,
        },
      }
    },
  }
}

/** The block's term of Eq. 8 on one batch. Of the blocks' weights it sees its own; z_{t−1} comes from the marginal. */
export function blockLoss(state: NamedTensorMap, inputs: NamedTensorMap, { config, block, embedding }: DiscreteParts): LossResult {
  const labels = inputs['labels'] as Tensor1D
  const { epsilon, scales } = readLatentInputs(inputs)
  const labelEmbedding = embedding.embed(state, labels)
  const zPrev = sampleLatent(labelEmbedding, epsilon, scales)
  const runningStatistics: NamedTensorMap = {}
  const mode = trainingMode(state, inputs, config.dropout, runningStatistics)
  const logits = block.logits(state, inputs['images'] as Tensor4D, zPrev, mode)
  const target =
    config.labelSmoothing === 0 ? labelEmbedding : embedding.combine(state, targetRows(labels, config.numClasses, config.labelSmoothing))
  const denoising = denoisingLoss(embedding.combine(state, softmax(logits)), target)
  return {
    loss: mul(denoising, inputs['lossWeight'] as Scalar),
    others: { denoising, accuracy: accuracy(logits, labels), ...runningStatistics },
  }
}

/** The weights of a block that its loss depends on. */
export function differentiatedNames(block: Pick<DenoisingBlock, 'parameters' | 'removedByNorm'>): string[] {
  return block.parameters.map(({ name }) => name).filter((name) => !block.removedByNorm.includes(name))
}

/** @throws {ModelConfigError} the batch has no statistics */
export function requireBatchForNorm(batchSize: number): void {
  if (!Number.isInteger(batchSize) || batchSize < 2) throw new ModelConfigError('batchSize', 'batch norm needs at least 2 images')
}
