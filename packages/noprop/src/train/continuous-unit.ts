/** @file The unit of a method of continuous time: one network for all times, with everything else that learns, trained as a whole. */

import type { HostTensors, Program, TensorSpecs } from '@noprop/engine'
import type { NamedTensorMap, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core'
import { countParameters, type ParameterSpec } from '../block/parameters.ts'
import { fillTimeEmbeddings, timeEmbeddingSize } from '../block/time-embedding.ts'
import { trainingMode } from '../block/training-mode.ts'
import { ModelConfigError } from '../errors.ts'
import type { StepContext, TrainingUnit } from '../model.ts'
import { adamInputs, adamInputSpecs, adamStep } from '../optimizer/adam.ts'
import { fillNormal, fillUniform, purposes, streamKey } from '../random/counter-random.ts'
import { differentiate, type LossResult } from './differentiate.ts'
import type { ContinuousParts } from './model-parts.ts'
import { readScalars } from './read-scalars.ts'
import { initialUnitState, stateSpecs } from './state-layout.ts'
import { createStepBuffers, imageInput, imageSpec, labelInput, labelSpec, maskInputs, maskSpecs, type StepBuffers } from './step-inputs.ts'

/** The only unit of such a model. */
export const wholeUnit = 1

/** What tells the methods of continuous time apart. */
export interface ContinuousObjective {
  readonly name: string
  /** all weights that learn */
  readonly parameters: readonly ParameterSpec[]
  /** names of the arrays of N(0, 1) that a step draws, [draws, batch, embeddingDim] each */
  readonly draws: readonly string[]
  /** The loss of one batch. Its other results are metrics, by name. */
  loss(state: NamedTensorMap, batch: ContinuousBatch): LossResult
}

/** The inputs of a step, inside the program. Rows of draws·batch are draw by draw. */
interface ContinuousBatch {
  /** class indices, [batch] */
  readonly labels: Tensor1D
  /** t ~ U(0, 1), one for each draw and image: [draws·batch] */
  readonly times: Tensor1D
  /** N(0, 1) under the names in `draws`, [draws, batch, embeddingDim] */
  noise(name: string): Tensor3D
  /** The network at those times: latents [draws·batch, embeddingDim] → logits [draws·batch, numClasses]. */
  logits(z: Tensor2D): Tensor2D
}

export function continuousUnit(objective: ContinuousObjective, parts: ContinuousParts): TrainingUnit {
  const { config, network } = parts
  const { parameters } = objective
  const buffers = createStepBuffers()
  return {
    block: wholeUnit,
    parameterCount: countParameters(parameters),
    programKey: objective.name,
    stepsPerEpoch: (batches) => batches,
    initialState: (seed, data) => initialUnitState(parameters, { seed, block: wholeUnit, data, averaged: config.emaDecay > 0 }),
    trainingProgram: (batchSize) => trainingProgram(batchSize, objective, parts),
    stepInputs(batch, context) {
      const batchSize = batch.labels.length
      return {
        images: imageInput(batch, config),
        labels: labelInput(batch, config.numClasses, buffers),
        ...timeInputs(config.noiseSamples * batchSize, context, buffers),
        ...noiseInputs(batchSize, objective, parts, context, buffers),
        ...maskInputs({ ...context, block: wholeUnit }, { layers: network.dropoutLayers, batchSize, config }, buffers),
        ...adamInputs(config, context),
      }
    },
    readMetrics: readScalars,
  }
}

function trainingProgram(batchSize: number, objective: ContinuousObjective, parts: ContinuousParts): Program {
  if (!Number.isInteger(batchSize) || batchSize < 1) throw new ModelConfigError('batchSize', 'a step needs at least 1 image')
  const { config, network, embedding } = parts
  const names = objective.parameters.map(({ name }) => name)
  const rows = config.noiseSamples * batchSize
  const noiseShape = [config.noiseSamples, batchSize, embedding.dimension]
  return {
    state: stateSpecs(objective.parameters, { averaged: config.emaDecay > 0 }),
    inputs: {
      images: imageSpec(batchSize, config),
      labels: labelSpec(batchSize),
      ...timeSpecs(rows),
      ...Object.fromEntries(objective.draws.map((name) => [noiseName(name), { shape: noiseShape, dtype: 'float32' as const }])),
      ...maskSpecs({ layers: network.dropoutLayers, batchSize, config }),
      ...adamInputSpecs(config),
    },
    run(state, inputs) {
      const { others, gradients } = differentiate(state, names, () => objective.loss(state, readBatch(state, inputs, parts)))
      const step = adamStep(state, names, gradients, { config, inputs })
      return { state: step.state, outputs: { ...others, gradient_norm: step.gradientNorm, update_ratio: step.updateRatio } }
    },
  }
}

function readBatch(state: NamedTensorMap, inputs: NamedTensorMap, { config, network }: ContinuousParts): ContinuousBatch {
  // Nothing here normalises by the batch, so there are no running statistics to be left.
  const mode = trainingMode(state, inputs, config.dropout, {})
  return {
    labels: inputs['labels'] as Tensor1D,
    times: inputs['times'] as Tensor1D,
    noise: (name) => inputs[noiseName(name)] as Tensor3D,
    logits(z) {
      const imagePart = network.imagePart(state, inputs['images'] as Tensor4D, mode)
      const timePart = network.timePart(state, inputs['timeEmbeddings'] as Tensor2D)
      return network.logits(state, { imagePart, timePart }, z, mode)
    },
  }
}

function timeSpecs(rows: number): TensorSpecs {
  return { times: { shape: [rows], dtype: 'float32' }, timeEmbeddings: { shape: [rows, timeEmbeddingSize], dtype: 'float32' } }
}

function timeInputs(rows: number, { seed, step }: StepContext, buffers: StepBuffers): HostTensors {
  const times = buffers.array('times', rows, Float32Array)
  fillUniform(times, streamKey(seed, purposes.trainingTime, wholeUnit, step), 0, 1)
  const timeEmbeddings = buffers.array('timeEmbeddings', rows * timeEmbeddingSize, Float32Array)
  fillTimeEmbeddings(timeEmbeddings, times)
  return { times, timeEmbeddings }
}

const noiseName = (name: string) => `${name}.epsilon`

function noiseInputs(
  batchSize: number,
  { draws }: ContinuousObjective,
  { config, embedding }: ContinuousParts,
  { seed, step }: StepContext,
  buffers: StepBuffers,
): HostTensors {
  const inputs: HostTensors = {}
  draws.forEach((name, index) => {
    const noise = buffers.array(noiseName(name), config.noiseSamples * batchSize * embedding.dimension, Float32Array)
    fillNormal(noise, streamKey(seed, purposes.trainingNoise, wholeUnit, step, index))
    inputs[noiseName(name)] = noise
  })
  return inputs
}
