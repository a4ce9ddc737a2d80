/** @file Adam and AdamW (Kingma & Ba, arXiv:1412.6980; Loshchilov & Hutter, arXiv:1711.05101) as a pure function, with the defaults of PyTorch. */

import type { HostTensors, TensorSpecs } from '@noprop/engine'
import { add, div, mul, type NamedTensorMap, type Scalar, sqrt, square, sub, sum, type Tensor } from '@tensorflow/tfjs-core'
import type { ModelConfig } from '../model.ts'
import { groupWeights } from './weight-group.ts'

const beta1 = 0.9
const beta2 = 0.999
const epsilon = 1e-8

/** Names of what the optimizer keeps beside a weight: both moments, and the moving average where there is one. */
export const optimizerPrefix = { m: 'optimizer.m/', v: 'optimizer.v/', average: 'average/' } as const

type OptimizerConfig = Pick<ModelConfig, 'optimizer' | 'weightDecay' | 'emaDecay'>

/** What changes from step to step. Scalars of the program, so that the step can be compiled once. */
interface AdamScalars {
  readonly stepSize: number
  readonly denominatorOffset: number
  /** lr·weightDecay for AdamW, weightDecay for Adam */
  readonly decay: number
  /** share of the new weights in their moving average */
  readonly averageRate: number
}

/**
 * The moments are kept as sums, M = m/(1−β₁) and V = v/(1−β₂), which saves two passes over the weights:
 * Δw = stepSize·M / (√V + denominatorOffset) then equals lr·m̂/(√v̂ + ε). The factors, with the bias corrections, are computed here in double precision.
 *
 * The moving average decays by emaDecay, but in the first steps by (1 + step)/(10 + step), so that it soon forgets the weights of the start.
 *
 * @param step steps done before this one
 */
function adamScalars(config: OptimizerConfig, { step, learningRate }: { step: number; learningRate: number }): AdamScalars {
  const correction1 = -Math.expm1((step + 1) * Math.log(beta1))
  const correction2 = -Math.expm1((step + 1) * Math.log(beta2))
  const rootScale = Math.sqrt(correction2 / (1 - beta2))
  return {
    stepSize: ((learningRate * (1 - beta1)) / correction1) * rootScale,
    denominatorOffset: epsilon * rootScale,
    decay: config.optimizer === 'adamw' ? learningRate * config.weightDecay : config.weightDecay,
    averageRate: 1 - Math.min(config.emaDecay, (1 + step) / (10 + step)),
  }
}

const scalarNames = ['stepSize', 'denominatorOffset', 'decay'] as const

/** The scalars as inputs of a program, under names that begin with `prefix`. */
export function adamInputSpecs(config: OptimizerConfig, prefix = 'optimizer'): TensorSpecs {
  const names = config.emaDecay > 0 ? [...scalarNames, 'averageRate'] : scalarNames
  return Object.fromEntries(names.map((name) => [`${prefix}.${name}`, { shape: [], dtype: 'float32' as const }]))
}

export function adamInputs(config: OptimizerConfig, position: { step: number; learningRate: number }, prefix = 'optimizer'): HostTensors {
  const scalars = adamScalars(config, position)
  const names = config.emaDecay > 0 ? ([...scalarNames, 'averageRate'] as const) : scalarNames
  return Object.fromEntries(names.map((name) => [`${prefix}.${name}`, Float32Array.of(scalars[name])]))
}

export interface AdamResult {
  /** weights, moments and averages after the step, under their names in the state */
  readonly state: NamedTensorMap
  /** global L2 norm of the gradient of the loss, without the term of the weight decay */
  readonly gradientNorm: Tensor
  /** ‖Δw‖ / ‖w‖, over all weights */
  readonly updateRatio: Tensor
}

interface StepOptions {
  readonly config: OptimizerConfig
  /** inputs of the program, with the scalars under names that begin with `prefix` */
  readonly inputs: NamedTensorMap
  readonly prefix?: string
}

/**
 * One step on every weight that `names` lists.
 *
 * @param state     weights under their names, moments under the names with their prefixes
 * @param gradients by weight name; a weight without one has gradient 0: it only decays with AdamW, and stays as it is with Adam
 */
export function adamStep(
  state: NamedTensorMap,
  names: readonly string[],
  gradients: NamedTensorMap,
  { config, inputs, prefix = 'optimizer' }: StepOptions,
): AdamResult {
  const scalar = (name: keyof AdamScalars) => inputs[`${prefix}.${name}`] as Scalar
  const isDecoupled = config.optimizer === 'adamw'
  const result: NamedTensorMap = {}
  const squaredNorms = { gradient: [] as Tensor[], update: [] as Tensor[], weight: [] as Tensor[] }

  for (const group of groupWeights(state, names, gradients)) {
    const weight = group.join(state)
    const decay = mul(weight, scalar('decay'))
    if (!group.hasGradient && !isDecoupled) continue
    let update: Tensor = decay
    if (group.hasGradient) {
      const lossGradient = group.join(gradients)
      const gradient = isDecoupled ? lossGradient : add(lossGradient, decay)
      const m = add(mul(group.join(state, optimizerPrefix.m), beta1), gradient)
      const v = add(mul(group.join(state, optimizerPrefix.v), beta2), square(gradient))
      const direction = div(m, add(sqrt(v), scalar('denominatorOffset')))
      const step = mul(direction, scalar('stepSize'))
      update = isDecoupled ? add(step, update) : step
      group.separate(m, result, optimizerPrefix.m)
      group.separate(v, result, optimizerPrefix.v)
      squaredNorms.gradient.push(sum(square(lossGradient)))
    }
    const next = sub(weight, update)
    group.separate(next, result)
    if (config.emaDecay > 0) {
      const average = group.join(state, optimizerPrefix.average)
      group.separate(add(average, mul(sub(next, average), scalar('averageRate'))), result, optimizerPrefix.average)
    }
    squaredNorms.update.push(sum(square(update)))
    squaredNorms.weight.push(sum(square(weight)))
  }
  const [gradient, update, weight] = [squaredNorms.gradient, squaredNorms.update, squaredNorms.weight].map(total)
  return { state: result, gradientNorm: sqrt(gradient!), updateRatio: sqrt(div(update!, weight!)) }
}

function total(values: readonly Tensor[]): Tensor {
  return values.reduce((left, right) => add(left, right))
}

/** The weights that predict: their moving averages where there are some, and else themselves. */
export function servedWeights(state: HostTensors): HostTensors {
  const weights: HostTensors = {}
  for (const [name, values] of Object.entries(state)) {
    const isBeside = Object.values(optimizerPrefix).some((prefix) => name.startsWith(prefix))
    if (!isBeside) weights[name] = state[optimizerPrefix.average + name] ?? values
  }
  return weights
}
