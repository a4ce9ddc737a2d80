/** @file Parts of a step's inputs that several units have. */

import type { HostTensor, HostTensors, TensorSpec, TensorSpecs } from '@noprop/engine'
import type { NamedTensorMap, Scalar, Tensor3D } from '@tensorflow/tfjs-core'
import { type DropoutLayer, dropoutThreshold } from '../block/dropout.ts'
import { elementCount } from '../block/parameters.ts'
import { ShapeError } from '../errors.ts'
import type { LatentScales } from '../loss/latent.ts'
import type { Batch, ModelConfig, StepContext } from '../model.ts'
import { fillKeepMask, fillNormal, purposes, streamKey } from '../random/counter-random.ts'

export const scalarSpec: TensorSpec = { shape: [], dtype: 'float32' }

export function labelSpec(batchSize: number): TensorSpec {
  return { shape: [batchSize], dtype: 'int32' }
}

/** @throws {ShapeError} a label is not a class of the model */
export function labelInput(batch: Batch, numClasses: number, buffers: StepBuffers): Int32Array {
  const labels = buffers.array('labels', batch.labels.length, Int32Array)
  labels.set(batch.labels)
  const stranger = labels.find((label) => label >= numClasses)
  if (stranger !== undefined) throw new ShapeError('label', `less than ${numClasses}`, stranger)
  return labels
}

export function imageSpec(batchSize: number, { imageShape }: ModelConfig): TensorSpec {
  return { shape: [batchSize, ...imageShape], dtype: 'float32' }
}

/** @throws {ShapeError} there are not as many images as labels */
export function imageInput(batch: Batch, { imageShape }: ModelConfig): Float32Array {
  const expected = batch.labels.length * elementCount(imageShape)
  if (batch.images.length !== expected) throw new ShapeError('images', expected, batch.images.length)
  return batch.images
}

/** Latents of one timestep: noise [draws, batch, dim], and the shares of label and noise, under names that begin with `prefix`. */
export function latentSpecs(batchSize: number, noiseSamples: number, embeddingDim: number, prefix = 'latent'): TensorSpecs {
  return {
    [`${prefix}.epsilon`]: { shape: [noiseSamples, batchSize, embeddingDim], dtype: 'float32' },
    [`${prefix}.signal`]: scalarSpec,
    [`${prefix}.noise`]: scalarSpec,
  }
}

interface LatentOptions {
  readonly batchSize: number
  readonly noiseSamples: number
  readonly embeddingDim: number
  /** ᾱ of the timestep */
  readonly alphaBar: number
  /** names the draws, beside the seed */
  readonly draw: readonly number[]
  readonly prefix?: string
}

export function latentInputs(seed: number, options: LatentOptions, buffers: StepBuffers): HostTensors {
  const { batchSize, noiseSamples, embeddingDim, alphaBar, draw, prefix = 'latent' } = options
  const epsilon = buffers.array(`${prefix}.epsilon`, noiseSamples * batchSize * embeddingDim, Float32Array)
  fillNormal(epsilon, streamKey(seed, purposes.trainingNoise, ...draw))
  return {
    [`${prefix}.epsilon`]: epsilon,
    [`${prefix}.signal`]: Float32Array.of(Math.sqrt(alphaBar)),
    [`${prefix}.noise`]: Float32Array.of(Math.sqrt(1 - alphaBar)),
  }
}

/** The same, as tensors inside the program. */
export function readLatentInputs(inputs: NamedTensorMap, prefix = 'latent'): { epsilon: Tensor3D; scales: LatentScales } {
  return {
    epsilon: inputs[`${prefix}.epsilon`] as Tensor3D,
    scales: { signal: inputs[`${prefix}.signal`] as Scalar, noise: inputs[`${prefix}.noise`] as Scalar },
  }
}

interface MaskOptions {
  readonly layers: readonly DropoutLayer[]
  readonly batchSize: number
  readonly config: Pick<ModelConfig, 'dropout' | 'noiseSamples'>
  /** begins the names of the inputs; the layers' own names follow */
  readonly prefix?: string
}

/** Dropout masks: for a layer that sees images one for each, for a layer that sees latents one for each of those. None where nothing is dropped. */
export function maskSpecs({ layers, batchSize, config, prefix = '' }: MaskOptions): TensorSpecs {
  if (dropoutThreshold(config.dropout) === 0) return {}
  const rows = (layer: DropoutLayer) => batchSize * (layer.perDraw ? config.noiseSamples : 1)
  return Object.fromEntries(layers.map((layer) => [prefix + layer.name, { shape: [rows(layer), ...layer.shape], dtype: 'bool' as const }]))
}

/** @param position of the step: (block, step) names the draws beside the seed */
export function maskInputs(
  context: Pick<StepContext, 'seed' | 'step'> & { readonly block: number },
  options: MaskOptions,
  buffers: StepBuffers,
): HostTensors {
  const inputs: HostTensors = {}
  Object.entries(maskSpecs(options)).forEach(([name, { shape }], layer) => {
    const mask = buffers.array(name, elementCount(shape), Uint8Array)
    fillKeepMask(
      mask,
      streamKey(context.seed, purposes.dropout, context.block, context.step, layer),
      dropoutThreshold(options.config.dropout),
    )
    inputs[name] = mask
  })
  return inputs
}

export interface StepBuffers {
  array<A extends HostTensor>(name: string, length: number, type: new (length: number) => A): A
}

/** Arrays that live from step to step, so that a step allocates nothing large. */
export function createStepBuffers(): StepBuffers {
  const arrays = new Map<string, HostTensor>()
  return {
    array(name, length, type) {
      const known = arrays.get(name)
      if (known instanceof type && known.length === length) return known
      const made = new type(length)
      arrays.set(name, made)
      return made
    },
  }
}
