/** @file Several blocks in the state and the inputs of one unit: everything of block t is under names that begin with `block<t>/`. */

import type { HostTensors, TensorSpecs } from '@noprop/engine'
import type { NamedTensorMap } from '@tensorflow/tfjs-core'
import { initialRunningStatistics } from '../block/batch-norm.ts'
import type { BlockMode } from '../block/block-mode.ts'
import { addPrefix, blockPrefix, underPrefix } from '../block/block-names.ts'
import type { DenoisingBlock } from '../block/denoising-block.ts'
import type { ParameterSpec } from '../block/parameters.ts'
import { trainingMode } from '../block/training-mode.ts'
import type { ModelConfig, StepContext } from '../model.ts'
import { differentiatedNames } from '../train/denoising-unit.ts'
import { initialUnitState, stateSpecs } from '../train/state-layout.ts'
import { maskInputs, maskSpecs, type StepBuffers } from '../train/step-inputs.ts'

type StackedBlock = Pick<DenoisingBlock, 'parameters' | 'normLayers' | 'dropoutLayers' | 'removedByNorm'>

export interface BlockStack {
  readonly parameters: readonly ParameterSpec[]
  /** Names of the weights of block t that its loss depends on. */
  differentiatedNames(t: number): string[]
  /** Weights, moments, averages and running statistics. */
  stateSpecs(): TensorSpecs
  /** Block t begins with the weights of block t of NoProp-DT with the same seed. */
  initialState(seed: number): HostTensors
  maskSpecs(batchSize: number): TensorSpecs
  /** Block t gets the masks of block t of NoProp-DT in the same step. */
  maskInputs(batchSize: number, context: Pick<StepContext, 'seed' | 'step'>, buffers: StepBuffers): HostTensors
  /** Runs block t as in training. Its running statistics after this batch are returned under their names in the state. */
  train<T>(
    t: number,
    state: NamedTensorMap,
    inputs: NamedTensorMap,
    run: (weights: NamedTensorMap, mode: BlockMode) => T,
  ): { result: T; runningStatistics: NamedTensorMap }
}

/** @param blocks block t is element t − 1 */
export function blockStack(blocks: readonly StackedBlock[], config: ModelConfig): BlockStack {
  const averaged = config.emaDecay > 0
  const parametersOf = (t: number) => blocks[t - 1]!.parameters.map((spec) => ({ ...spec, name: blockPrefix(t) + spec.name }))
  const timesteps = blocks.map((_, i) => i + 1)
  const parameters = timesteps.flatMap(parametersOf)

  function ofEveryBlock<T>(f: (block: StackedBlock, t: number) => Readonly<Record<string, T>>): Record<string, T> {
    return Object.assign({}, ...timesteps.map((t) => addPrefix(blockPrefix(t), f(blocks[t - 1]!, t)))) as Record<string, T>
  }

  return {
    parameters,
    differentiatedNames: (t) => differentiatedNames(blocks[t - 1]!).map((name) => blockPrefix(t) + name),
    stateSpecs: () => ({
      ...stateSpecs(parameters, { averaged }),
      ...ofEveryBlock(({ normLayers }) => stateSpecs([], { normLayers, averaged })),
    }),
    initialState(seed) {
      const state = ofEveryBlock(({ normLayers }) => initialRunningStatistics(normLayers))
      for (const t of timesteps) Object.assign(state, initialUnitState(parametersOf(t), { seed, block: t, averaged }))
      return state
    },
    maskSpecs: (batchSize) => ofEveryBlock(({ dropoutLayers }) => maskSpecs({ layers: dropoutLayers, batchSize, config })),
    maskInputs(batchSize, { seed, step }, buffers) {
      const masks = timesteps.map((t) => {
        const options = { layers: blocks[t - 1]!.dropoutLayers, batchSize, config, prefix: blockPrefix(t) }
        return maskInputs({ seed, step, block: t }, options, buffers)
      })
      return Object.assign({}, ...masks) as HostTensors
    },
    train(t, state, inputs, run) {
      const prefix = blockPrefix(t)
      const weights = underPrefix(prefix, state)
      const runningStatistics: NamedTensorMap = {}
      const result = run(weights, trainingMode(weights, underPrefix(prefix, inputs), config.dropout, runningStatistics))
      return { result, runningStatistics: addPrefix(prefix, runningStatistics) }
    },
  }
}
