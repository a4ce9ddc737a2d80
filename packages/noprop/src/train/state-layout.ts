/** @file What a training unit keeps between steps: weights under their own names, optimizer moments, averages and running statistics under prefixes. */

import type { HostTensors, TensorSpec, TensorSpecs } from '@noprop/engine'
import { initialRunningStatistics, runningMeanName, runningVarianceName } from '../block/batch-norm.ts'
import { initialWeights, type NormLayer, type ParameterSpec } from '../block/parameters.ts'
import type { InitialData } from '../model.ts'
import { optimizerPrefix } from '../optimizer/adam.ts'

interface StateOptions {
  readonly normLayers?: readonly NormLayer[]
  /** the weights have moving averages */
  readonly averaged: boolean
}

export function stateSpecs(parameters: readonly ParameterSpec[], { normLayers = [], averaged }: StateOptions): TensorSpecs {
  const specs: Record<string, TensorSpec> = {}
  for (const { name, shape } of parameters) {
    const spec: TensorSpec = { shape, dtype: 'float32' }
    specs[name] = specs[optimizerPrefix.m + name] = specs[optimizerPrefix.v + name] = spec
    if (averaged) specs[optimizerPrefix.average + name] = spec
  }
  for (const { name, size } of normLayers) {
    specs[runningMeanName(name)] = specs[runningVarianceName(name)] = { shape: [size], dtype: 'float32' }
  }
  return specs
}

interface InitialStateOptions extends StateOptions {
  readonly seed: number
  /** names the random numbers */
  readonly block: number
  readonly data?: InitialData
}

/** The state before the first step; a pure function of (seed, block) and the data. */
export function initialUnitState(parameters: readonly ParameterSpec[], options: InitialStateOptions): HostTensors {
  const { seed, block, data, normLayers = [], averaged } = options
  const weights = initialWeights(parameters, seed, block, data)
  const state: HostTensors = { ...weights, ...initialRunningStatistics(normLayers) }
  for (const [name, values] of Object.entries(weights)) {
    state[optimizerPrefix.m + name] = new Float32Array(values.length)
    state[optimizerPrefix.v + name] = new Float32Array(values.length)
    if (averaged) state[optimizerPrefix.average + name] = values.slice()
  }
  return state
}
