/** @file The part of a step's inputs that every unit has. */

import type { HostTensor, HostTensors, TensorSpecs } from '@noprop/engine'
import type { NamedTensorMap, Scalar, Tensor1D, Tensor3D } from '@tensorflow/tfjs-core'
import { ShapeError } from '../errors.ts'
import type { LatentScales } from '../loss/latent.ts'
import type { Batch, StepContext } from '../model.ts'
import { type AdamwInputs, adamwScalars } from '../optimizer/adamw.ts'
import { fillNormal, purposes, streamKey } from '../random/counter-random.ts'
import type { NoiseSchedule } from '../schedule/noise-schedule.ts'

const scalar = { shape: [], dtype: 'float32' } as const

/** Shapes of the labels, the noise and the scalars. */
export function commonInputSpecs(batchSize: number, noiseSamples: number, embeddingDim: number): TensorSpecs {
  return {
    labels: { shape: [batchSize], dtype: 'int32' },
    noise: { shape: [noiseSamples, batchSize, embeddingDim], dtype: 'float32' },
    'latent.signal': scalar,
    'latent.noise': scalar,
    'optimizer.stepSize': scalar,
    'optimizer.denominatorOffset': scalar,
    'optimizer.decay': scalar,
  }
}

export const scalarSpec = scalar

export interface CommonInputs {
  readonly labels: Tensor1D
  readonly noise: Tensor3D
  readonly scales: LatentScales
  readonly optimizer: AdamwInputs
}

/** The same, as tensors inside the program. */
export function readCommonInputs(inputs: NamedTensorMap): CommonInputs {
  return {
    labels: inputs['labels'] as Tensor1D,
    noise: inputs['noise'] as Tensor3D,
    scales: { signal: inputs['latent.signal'] as Scalar, noise: inputs['latent.noise'] as Scalar },
    optimizer: {
      stepSize: inputs['optimizer.stepSize'] as Scalar,
      denominatorOffset: inputs['optimizer.denominatorOffset'] as Scalar,
      decay: inputs['optimizer.decay'] as Scalar,
    },
  }
}

interface CommonInputOptions {
  readonly block: number
  /** the latent that the unit reads is z of this timestep */
  readonly timestep: number
  readonly schedule: NoiseSchedule
  readonly weightDecay: number
  readonly noiseSamples: number
  readonly embeddingDim: number
  readonly numClasses: number
}

/**
 * Fills the arrays of the common inputs for one step.
 *
 * @throws {ShapeError} a label is not a class of the model
 */
export function commonStepInputs(batch: Batch, context: StepContext, options: CommonInputOptions, buffers: StepBuffers): HostTensors {
  const { block, timestep, schedule, weightDecay, noiseSamples, embeddingDim, numClasses } = options
  const labels = buffers.array('labels', batch.labels.length, Int32Array)
  labels.set(batch.labels)
  const stranger = labels.find((label) => label >= numClasses)
  if (stranger !== undefined) throw new ShapeError('label', `less than ${numClasses}`, stranger)

  const noise = buffers.array('noise', noiseSamples * labels.length * embeddingDim, Float32Array)
  fillNormal(noise, streamKey(context.seed, purposes.trainingNoise, block, context.step))

  const alphaBar = schedule.alphaBar[timestep]!
  const { stepSize, denominatorOffset, decay } = adamwScalars({ ...context, weightDecay })
  return {
    labels,
    noise,
    'latent.signal': Float32Array.of(Math.sqrt(alphaBar)),
    'latent.noise': Float32Array.of(Math.sqrt(1 - alphaBar)),
    'optimizer.stepSize': Float32Array.of(stepSize),
    'optimizer.denominatorOffset': Float32Array.of(denominatorOffset),
    'optimizer.decay': Float32Array.of(decay),
  }
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
