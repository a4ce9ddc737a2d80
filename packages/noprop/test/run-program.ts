/** Runs programs on TensorFlow.js' plain backend, one call at a time. */

import '@tensorflow/tfjs-backend-cpu'
import type { HostTensor, HostTensors, Program, TensorSpec, TensorSpecs } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import type { ChainResult, DenoisingChain, Execute, ModelConfig, StepContext } from '../src/model.ts'

/** A model that has every part and costs next to nothing: an image of 14 pixels a side leaves one after the last pooling. */
export const tinyConfig: ModelConfig = {
  method: 'noprop-dt',
  embedding: 'one-hot',
  embeddingDim: 6,
  embeddingInit: 'auto',
  head: 'softmax',
  radialSigma: 1,
  blocks: 3,
  channels: [2, 3, 4],
  features: 8,
  dropout: 0.2,
  eta: 0.1,
  optimizer: 'adamw',
  weightDecay: 1e-3,
  noiseSamples: 1,
  inferenceSteps: 6,
  sampler: 'eq3',
  fmSigma: 0,
  emaDecay: 0,
  labelSmoothing: 0,
  imageShape: [14, 14, 1],
  numClasses: 5,
}

export interface HostResult {
  readonly state: HostTensors
  readonly outputs: HostTensors
}

/** One run; the state of the result is complete. Leaves no tensor behind. */
export function runProgram(program: Program, state: HostTensors, inputs: HostTensors): HostResult {
  return tf.tidy(() => {
    const result = program.run(toTensors(program.state, state), toTensors(program.inputs, inputs))
    return { state: { ...state, ...toHost(result.state) }, outputs: toHost(result.outputs) }
  })
}

export function toTensors(specs: TensorSpecs, values: HostTensors): tf.NamedTensorMap {
  return Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, toTensor(name, spec, values[name])]))
}

function toTensor(name: string, { shape, dtype }: TensorSpec, values: HostTensor | undefined): tf.Tensor {
  const size = shape.reduce((product, n) => product * n, 1)
  if (values?.length !== size) throw new Error(`${name}: ${values?.length} values for a shape of ${size}`)
  return tf.tensor(values.slice(), [...shape], dtype)
}

function toHost(tensors: tf.NamedTensorMap): HostTensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tensor.dataSync<'float32'>().slice()]))
}

/** Random images and labels for the tests, by index and not by chance. */
export function syntheticBatch(config: ModelConfig, batchSize: number, offset = 0) {
  const size = config.imageShape.reduce((product, n) => product * n, 1)
  return {
    images: Float32Array.from({ length: batchSize * size }, (_, i) => Math.sin((i + offset) * 1.7) + Math.cos((i % size) * 0.31)),
    labels: Uint8Array.from({ length: batchSize }, (_, i) => (i + offset) % config.numClasses),
  }
}

/** Where a step stands in a run whose epochs have 50 mini-batches. */
export function stepAt(step: number, seed = 1, learningRate = 1e-2): StepContext {
  return { seed, step, learningRate, batches: 50 }
}

/** The name of a program, and what it is given. */
export interface Call {
  readonly program: string
  readonly inputs: HostTensors
}

/** Runs a chain on the weights of units; notes in `calls` what each of its programs was given. */
export function runChain(
  chain: DenoisingChain,
  states: ReadonlyMap<number, HostTensors>,
  { images, keys, seed = 3, calls = [] }: { images: Float32Array; keys: readonly number[]; seed?: number; calls?: Call[] },
): Promise<ChainResult> {
  const weights = chain.weights(states)
  const execute: Execute = async (program, inputs) => {
    calls.push({ program, inputs })
    return runProgram(chain.programs[program]!, weights[program]!, inputs).outputs
  }
  return chain.run(execute, images, keys, seed)
}
