/** @file What a training unit keeps between steps: weights under their own names, optimizer moments and running statistics under prefixes. */

import type { HostTensors, TensorSpec, TensorSpecs } from '@noprop/engine'
import { initialRunningStatistics, runningMeanName, runningVarianceName } from '../block/batch-norm.ts'
import { initialWeights, type NormLayer, type ParameterSpec } from '../block/parameters.ts'
import { optimizerPrefix } from '../optimizer/adamw.ts'

export function stateSpecs(parameters: readonly ParameterSpec[], normLayers: readonly NormLayer[] = []): TensorSpecs {
  const specs: Record<string, TensorSpec> = {}
  for (const { name, shape } of parameters) {
    specs[name] = specs[optimizerPrefix.m + name] = specs[optimizerPrefix.v + name] = { shape, dtype: 'float32' }
  }
  for (const { name, size } of normLayers) {
    specs[runningMeanName(name)] = specs[runningVarianceName(name)] = { shape: [size], dtype: 'float32' }
  }
  return specs
}

/** The state before the first step; a pure function of (seed, block). */
export function initialUnitState(
  parameters: readonly ParameterSpec[],
  { seed, block, normLayers = [] }: { seed: number; block: number; normLayers?: readonly NormLayer[] },
): HostTensors {
  const weights = initialWeights(parameters, seed, block)
  const state: HostTensors = { ...weights, ...initialRunningStatistics(normLayers) }
  for (const [name, values] of Object.entries(weights)) {
    state[optimizerPrefix.m + name] = new Float32Array(values.length)
    state[optimizerPrefix.v + name] = new Float32Array(values.length)
  }
  return state
}
