/** @file Batch normalisation over the rows of a matrix. */

import {
  add,
  customGrad,
  div,
  type GradSaveFunc,
  mean,
  mul,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
} from '@tensorflow/tfjs-core'
import type { HostTensors } from '@noprop/engine'
import type { NormLayer } from './parameters.ts'

const epsilon = 1e-5
/** Weight of the newest batch in the running statistics, as in PyTorch. */
const momentum = 0.1

export const runningMeanName = (layer: string) => `batchNorm/${layer}.mean`
export const runningVarianceName = (layer: string) => `batchNorm/${layer}.variance`

export interface BatchStatistics {
  readonly mean: Tensor1D
  /** mean squared deviation: divided by the number of rows */
  readonly variance: Tensor1D
}

/**
 * (x − mean)/√(variance + ε)·scale + offset with the statistics of the batch, shape [rows, features].
 * The gradient is written out: autodiff of the formula takes twice as many kernels.
 */
export function batchNorm(x: Tensor2D, scale: Tensor1D, offset: Tensor1D): { value: Tensor2D; statistics: BatchStatistics } {
  const rows = x.shape[0]
  // Computed outside the custom gradient, so that it can be returned; no gradient flows through these.
  const batchMean = mean(x, 0) as Tensor1D
  const centered = sub(x, batchMean)
  const variance = mean(square(centered), 0) as Tensor1D
  const inverse = div(1, sqrt(add(variance, epsilon)))

  const normalize = customGrad((...inputs: unknown[]) => {
    const [, gamma, beta, save] = inputs as [Tensor2D, Tensor1D, Tensor1D, GradSaveFunc]
    save([centered, inverse, gamma])
    const value = add(mul(centered, mul(inverse, gamma)), beta)
    return { value, gradFunc: batchNormGradient(rows) }
  })
  return { value: normalize(x, scale, offset) as Tensor2D, statistics: { mean: batchMean, variance } }
}

/** dx = γ/σ·(dy − mean(dy) − x̂·mean(dy·x̂)), dγ = Σ dy·x̂, dβ = Σ dy, with x̂ = centered/σ. */
function batchNormGradient(rows: number) {
  return (dy: Tensor, saved: Tensor[]): Tensor[] => {
    const [centered, inverse, scale] = saved as [Tensor2D, Tensor1D, Tensor1D]
    const offsetGradient = sum(dy, 0)
    const scaleGradient = mul(sum(mul(dy, centered), 0), inverse)
    const slope = mul(scale, inverse)
    const alongCentered = mul(mul(slope, inverse), mul(scaleGradient, -1 / rows))
    const constant = mul(slope, mul(offsetGradient, -1 / rows))
    const dx = add(add(mul(dy, slope), mul(centered, alongCentered)), constant)
    return [dx, scaleGradient, offsetGradient]
  }
}

/**
 * Running statistics after a batch: each moves by a tenth towards the batch's, the variance unbiased, as in PyTorch.
 *
 * @param bias the bias of the layer before, which training leaves out because batch norm removes it again
 */
export function updateRunningStatistics(
  running: { mean: Tensor; variance: Tensor },
  batch: BatchStatistics,
  bias: Tensor,
  rows: number,
): { mean: Tensor; variance: Tensor } {
  const unbiased = (momentum * rows) / (rows - 1)
  return {
    mean: add(mul(running.mean, 1 - momentum), mul(add(batch.mean, bias), momentum)),
    variance: add(mul(running.variance, 1 - momentum), mul(batch.variance, unbiased)),
  }
}

/** Running statistics before the first step. */
export function initialRunningStatistics(layers: readonly NormLayer[]): HostTensors {
  const state: HostTensors = {}
  for (const { name, size } of layers) {
    state[runningMeanName(name)] = new Float32Array(size)
    state[runningVarianceName(name)] = new Float32Array(size).fill(1)
  }
  return state
}

/**
 * Weights for inference: each batch norm with its running statistics becomes part of the kernels and the bias before it,
 * (x·W + b − mean)·s + offset = x·(W·s) + ((b − mean)·s + offset) with s = scale/√(variance + ε).
 *
 * @returns the weights that `names` lists, the folded ones as new arrays
 */
export function foldBatchNorm(state: HostTensors, names: readonly string[], layers: readonly NormLayer[]): HostTensors {
  const folded: HostTensors = {}
  for (const name of names) folded[name] = state[name]!
  for (const { name, size, kernels, bias } of layers) {
    const read = (key: string) => state[key] as Float32Array
    const [scale, offset] = [read(`${name}.scale`), read(`${name}.offset`)]
    const [runningMean, variance] = [read(runningMeanName(name)), read(runningVarianceName(name))]
    const slopes = Float64Array.from({ length: size }, (_, i) => scale[i]! / Math.sqrt(variance[i]! + epsilon))
    for (const kernel of kernels) folded[kernel] = read(kernel).map((weight, i) => weight * slopes[i % size]!)
    folded[bias] = read(bias).map((value, i) => (value - runningMean[i]!) * slopes[i]! + offset[i]!)
  }
  return folded
}
