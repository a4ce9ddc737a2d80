/** @file AdamW (Loshchilov & Hutter, arXiv:1711.05101) as a pure function, with the defaults and the decoupled decay of PyTorch. */

import { add, div, mul, type NamedTensorMap, type Scalar, sqrt, square, sub, sum, type Tensor } from '@tensorflow/tfjs-core'
import { groupWeights } from './weight-group.ts'

const beta1 = 0.9
const beta2 = 0.999
const epsilon = 1e-8

export const optimizerPrefix = { m: 'optimizer.m/', v: 'optimizer.v/' } as const

/** What changes from step to step. Scalars of the program, so that the step can be compiled once. */
export interface AdamwScalars {
  readonly stepSize: number
  readonly denominatorOffset: number
  readonly decay: number
}

/**
 * The moments are kept as sums, M = m/(1−β₁) and V = v/(1−β₂), which saves two passes over the weights:
 * Δw = stepSize·M / (√V + denominatorOffset) + decay·w then equals lr·m̂/(√v̂ + ε) + lr·weightDecay·w. The factors, with the bias
 * corrections, are computed here in double precision.
 *
 * @param step steps done before this one
 */
export function adamwScalars({
  step,
  learningRate,
  weightDecay,
}: {
  step: number
  learningRate: number
  weightDecay: number
}): AdamwScalars {
  const correction1 = -Math.expm1((step + 1) * Math.log(beta1))
  const correction2 = -Math.expm1((step + 1) * Math.log(beta2))
  const rootScale = Math.sqrt(correction2 / (1 - beta2))
  return {
    stepSize: ((learningRate * (1 - beta1)) / correction1) * rootScale,
    denominatorOffset: epsilon * rootScale,
    decay: learningRate * weightDecay,
  }
}

export interface AdamwInputs {
  readonly stepSize: Scalar
  readonly denominatorOffset: Scalar
  readonly decay: Scalar
}

export interface AdamwResult {
  /** weights and moments after the step, under their names in the state */
  readonly state: NamedTensorMap
  /** global L2 norm of the gradient */
  readonly gradientNorm: Tensor
  /** ‖Δw‖ / ‖w‖, over all weights */
  readonly updateRatio: Tensor
}

/**
 * One step on every weight that `names` lists.
 *
 * @param state     weights under their names, moments under the names with their prefixes
 * @param gradients by weight name; a weight without one has gradient 0: it only decays, and its moments stay as they are
 */
export function adamwStep(state: NamedTensorMap, names: readonly string[], gradients: NamedTensorMap, inputs: AdamwInputs): AdamwResult {
  const result: NamedTensorMap = {}
  const squaredNorms = { gradient: [] as Tensor[], update: [] as Tensor[], weight: [] as Tensor[] }
  for (const group of groupWeights(state, names, gradients)) {
    const weight = group.join(state)
    let update: Tensor = mul(weight, inputs.decay)
    if (group.hasGradient) {
      const gradient = group.join(gradients)
      const squaredGradient = square(gradient)
      const m = add(mul(group.join(state, optimizerPrefix.m), beta1), gradient)
      const v = add(mul(group.join(state, optimizerPrefix.v), beta2), squaredGradient)
      const direction = div(m, add(sqrt(v), inputs.denominatorOffset))
      update = add(mul(direction, inputs.stepSize), update)
      group.separate(m, result, optimizerPrefix.m)
      group.separate(v, result, optimizerPrefix.v)
      squaredNorms.gradient.push(sum(squaredGradient))
    }
    group.separate(sub(weight, update), result)
    squaredNorms.update.push(sum(square(update)))
    squaredNorms.weight.push(sum(square(weight)))
  }
  const [gradient, update, weight] = [squaredNorms.gradient, squaredNorms.update, squaredNorms.weight].map(total)
  return { state: result, gradientNorm: sqrt(gradient!), updateRatio: sqrt(div(update!, weight!)) }
}

function total(values: readonly Tensor[]): Tensor {
  return values.reduce((left, right) => add(left, right))
}
