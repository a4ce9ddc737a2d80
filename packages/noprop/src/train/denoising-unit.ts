/** @file One denoising block and its optimizer: learns u_y from (z_{t−1}, x) and touches nothing else. */

import type { HostTensors, Program, TensorSpec } from '@noprop/engine'
import { cast, mul, type NamedTensorMap, relu, type Scalar, softmax, type Tensor1D, type Tensor4D } from '@tensorflow/tfjs-core'
import type { BlockMode } from '../block/block-mode.ts'
import { batchNorm, runningMeanName, runningVarianceName, updateRunningStatistics } from '../block/batch-norm.ts'
import type { DenoisingBlock } from '../block/denoising-block.ts'
import { type DropoutLayer, dropoutScale, dropoutThreshold, maskedRelu } from '../block/dropout.ts'
import { countParameters, elementCount } from '../block/parameters.ts'
import type { LabelEmbedding } from '../embedding/label-embedding.ts'
import { ModelConfigError, ShapeError } from '../errors.ts'
import { accuracy } from '../loss/accuracy.ts'
import { blockLossWeight, denoisingLoss } from '../loss/denoising-loss.ts'
import { sampleLatent } from '../loss/latent.ts'
import type { ModelConfig, TrainingUnit } from '../model.ts'
import { adamwStep } from '../optimizer/adamw.ts'
import { fillKeepMask, purposes, streamKey } from '../random/counter-random.ts'
import type { NoiseSchedule } from '../schedule/noise-schedule.ts'
import { differentiate, type LossResult } from './differentiate.ts'
import { readScalars } from './read-scalars.ts'
import { initialUnitState, stateSpecs } from './state-layout.ts'
import { commonInputSpecs, commonStepInputs, createStepBuffers, readCommonInputs, scalarSpec } from './step-inputs.ts'

export interface BlockParts {
  readonly config: ModelConfig
  readonly block: DenoisingBlock
  readonly embedding: LabelEmbedding
  readonly schedule: NoiseSchedule
}

/** The unit of block t, which reads z_{t−1}. */
export function denoisingUnit(t: number, parts: BlockParts): TrainingUnit {
  const { config, block, embedding, schedule } = parts
  const { parameters, normLayers } = block
  const threshold = dropoutThreshold(config.dropout)
  const buffers = createStepBuffers()
  const imageSize = elementCount(config.imageShape)
  const common = {
    block: t,
    timestep: t - 1,
    schedule,
    weightDecay: config.weightDecay,
    noiseSamples: config.noiseSamples,
    embeddingDim: embedding.dimension,
    numClasses: config.numClasses,
  }

  return {
    block: t,
    parameterCount: countParameters(parameters),
    // Timestep, loss weight and learning rate are inputs, so every block runs the same program.
    programKey: 'denoising-block',
    stepsPerEpoch: (batches) => batches,
    initialState: (seed) => initialUnitState(parameters, { seed, block: t, normLayers }),
    trainingProgram: (batchSize) => trainingProgram(batchSize, parts),
    stepInputs(batch, context) {
      const batchSize = batch.labels.length
      if (batch.images.length !== batchSize * imageSize) throw new ShapeError('images', batchSize * imageSize, batch.images.length)
      const inputs: HostTensors = { ...commonStepInputs(batch, context, common, buffers), images: batch.images }
      inputs['lossWeight'] = Float32Array.of(blockLossWeight(schedule, config.eta, t))
      maskedLayers(block, config).forEach(({ name, shape }, layer) => {
        const mask = buffers.array(name, batchSize * elementCount(shape), Uint8Array)
        fillKeepMask(mask, streamKey(context.seed, purposes.dropout, t, context.step, layer), threshold)
        inputs[name] = mask
      })
      return inputs
    },
    readMetrics: readScalars,
  }
}

function trainingProgram(batchSize: number, parts: BlockParts): Program {
  const { config, block, embedding } = parts
  if (!Number.isInteger(batchSize) || batchSize < 2) throw new ModelConfigError('batchSize', 'batch norm needs at least 2 images')
  const { parameters, normLayers } = block
  const names = parameters.map(({ name }) => name)
  const differentiated = names.filter((name) => !block.removedByNorm.includes(name))
  const masks: Record<string, TensorSpec> = {}
  for (const { name, shape } of maskedLayers(block, config)) masks[name] = { shape: [batchSize, ...shape], dtype: 'bool' }

  return {
    state: stateSpecs(parameters, normLayers),
    inputs: {
      ...commonInputSpecs(batchSize, config.noiseSamples, embedding.dimension),
      images: { shape: [batchSize, ...config.imageShape], dtype: 'float32' },
      lossWeight: scalarSpec,
      ...masks,
    },
    run(state, inputs) {
      const { loss, others, gradients } = differentiate(state, differentiated, () => blockLoss(state, inputs, parts))
      const { denoising, accuracy: correct, ...runningStatistics } = others
      const step = adamwStep(state, names, gradients, readCommonInputs(inputs).optimizer)
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

/** The block's term of Eq. 8 on one batch. Of the weights it sees its own; z_{t−1} comes from the marginal. */
function blockLoss(state: NamedTensorMap, inputs: NamedTensorMap, { config, block, embedding }: BlockParts): LossResult {
  const { labels, noise, scales } = readCommonInputs(inputs)
  const labelEmbedding = embedding.embed(labels)
  const zPrev = sampleLatent(labelEmbedding, noise, scales)
  const runningStatistics: NamedTensorMap = {}
  const mode = trainingMode(state, inputs, config.dropout, runningStatistics)
  const logits = block.logits(state, inputs['images'] as Tensor4D, zPrev, mode)
  const denoising = denoisingLoss(embedding.combine(softmax(logits)), labelEmbedding)
  return {
    loss: mul(denoising, inputs['lossWeight'] as Scalar),
    others: { denoising, accuracy: accuracy(logits, labels), ...runningStatistics },
  }
}

function maskedLayers(block: DenoisingBlock, config: ModelConfig): readonly DropoutLayer[] {
  return dropoutThreshold(config.dropout) === 0 ? [] : block.dropoutLayers
}

/** Dropout by the masks among the inputs, batch norm by the statistics of the batch; leaves the next running statistics in `runningStatistics`. */
function trainingMode(state: NamedTensorMap, inputs: NamedTensorMap, rate: number, runningStatistics: NamedTensorMap): BlockMode {
  return {
    dropoutScale: dropoutScale(rate),
    activate(x, layer) {
      const mask = inputs[layer]
      return mask ? maskedRelu(x, cast(mask, 'float32') as Tensor4D) : relu(x)
    },
    normalize(x, { name, bias }) {
      const { value, statistics } = batchNorm(x, state[`${name}.scale`] as Tensor1D, state[`${name}.offset`] as Tensor1D)
      const [meanName, varianceName] = [runningMeanName(name), runningVarianceName(name)]
      const running = { mean: state[meanName]!, variance: state[varianceName]! }
      // Batch norm removes the bias of the layer before it, whose gradient is 0: it appears in the running mean alone.
      const next = updateRunningStatistics(running, statistics, state[bias]!, x.shape[0])
      runningStatistics[meanName] = next.mean
      runningStatistics[varianceName] = next.variance
      return value
    },
  }
}
