/** @file Names, shapes and first values of weights. */

import type { InitialData } from '../model.ts'
import { fillUniform, purposes, streamKey } from '../random/counter-random.ts'

/** Names the random numbers of one weight tensor. */
export interface InitialKey {
  readonly seed: number
  readonly block: number
  /** place of the tensor among those of its block */
  readonly index: number
}

export interface ParameterSpec {
  readonly name: string
  readonly shape: readonly number[]
  /** first values: uniform in ±bound, all equal, or by a function of its own */
  readonly initial:
    | { readonly bound: number }
    | { readonly value: number }
    | { readonly fill: (values: Float32Array, key: InitialKey, data: InitialData | undefined) => void }
}

/** A batch-norm layer: the layers that feed it, and where its running statistics are. */
export interface NormLayer {
  readonly name: string
  readonly size: number
  /** the kernels whose sum of products it normalises, and the bias added to that sum */
  readonly kernels: readonly string[]
  readonly bias: string
}

/** Kaiming-uniform with a = √5, the default of PyTorch for linear and convolution layers, weights and biases alike: U(±1/√fanIn). */
function layer(name: string, kernelShape: readonly number[], fanIn: number): ParameterSpec[] {
  const initial = { bound: 1 / Math.sqrt(fanIn) }
  return [
    { name: `${name}.kernel`, shape: kernelShape, initial },
    { name: `${name}.bias`, shape: [kernelShape.at(-1)!], initial },
  ]
}

/** Fully connected: kernel [inputs, outputs]. */
export function dense(name: string, inputs: number, outputs: number): ParameterSpec[] {
  return layer(name, [inputs, outputs], inputs)
}

/** 3×3 convolution: kernel [3, 3, inputs, outputs]. */
export function convolution(name: string, inputs: number, outputs: number): ParameterSpec[] {
  return layer(name, [3, 3, inputs, outputs], 9 * inputs)
}

/** Scale and offset of a batch-norm layer. */
export function norm(name: string, size: number): ParameterSpec[] {
  return [
    { name: `${name}.scale`, shape: [size], initial: { value: 1 } },
    { name: `${name}.offset`, shape: [size], initial: { value: 0 } },
  ]
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1)
}

export function countParameters(parameters: readonly ParameterSpec[]): number {
  return parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0)
}

/** First values of all weights, by name; a pure function of (seed, block), of their order, and of `data`. */
export function initialWeights(
  parameters: readonly ParameterSpec[],
  seed: number,
  block: number,
  data?: InitialData,
): Record<string, Float32Array> {
  const weights: Record<string, Float32Array> = {}
  parameters.forEach(({ name, shape, initial }, index) => {
    const values = new Float32Array(elementCount(shape))
    if ('value' in initial) values.fill(initial.value)
    else if ('fill' in initial) initial.fill(values, { seed, block, index }, data)
    else fillUniform(values, streamKey(seed, purposes.initialWeights, block, index), -initial.bound, initial.bound)
    weights[name] = values
  })
  return weights
}
