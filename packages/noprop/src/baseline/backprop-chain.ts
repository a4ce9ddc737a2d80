/** @file Inference of the network trained by back-propagation: z_0 → z_T. */

import type { Program, TensorSpecs } from '@noprop/engine'
import { type NamedTensorMap, reshape, softmax, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core'
import { frozenMode } from '../block/block-mode.ts'
import { addPrefix, blockPrefix, underPrefix } from '../block/block-names.ts'
import { frozenBlockWeights, frozenParameters } from '../block/frozen-block.ts'
import type { ParameterSpec } from '../block/parameters.ts'
import { checkChainInputs, checkChainOptions, requireState, splitSamples } from '../chain/chain-batch.ts'
import { drawChainStart } from '../chain/chain-noise.ts'
import type { ChainOptions, ChainResult, DenoisingChain } from '../model.ts'
import { servedWeights } from '../optimizer/adam.ts'
import { wholeUnit } from '../train/continuous-unit.ts'
import { sharedParameters } from '../train/coupled-unit.ts'
import type { DiscreteParts } from '../train/model-parts.ts'
import { mixEstimate, mixParameters } from './mix-estimate.ts'

/**
 * The chain for a fixed batch size. It is random in z_0 alone: noise-free samples begin at z_0 = 0, the mean of the prior.
 *
 * @throws {ModelConfigError} batchSize or samples is empty
 */
export function backpropChain(options: ChainOptions, parts: DiscreteParts): DenoisingChain {
  checkChainOptions(options)
  const { batchSize, samples } = options
  const { config, block, embedding } = parts
  const timesteps = Array.from({ length: config.blocks }, (_, i) => i + 1)
  const others = [...sharedParameters(parts), ...mixParameters(config.blocks)]

  return {
    programs: { chain: chainProgram(options, others, parts) },
    weights(states) {
      const served = servedWeights(requireState(states, wholeUnit))
      const blocks = timesteps.map((t) => {
        const prefix = blockPrefix(t)
        return addPrefix(prefix, frozenBlockWeights(block, underPrefix(prefix, served)))
      })
      return { chain: Object.assign(Object.fromEntries(others.map(({ name }) => [name, served[name]!])), ...blocks) }
    },
    async run(execute, images, keys, seed): Promise<ChainResult> {
      checkChainInputs(options, config, images, keys)
      const start = drawChainStart({ seed, keys, samples, embeddingDim: embedding.dimension })
      const outputs = await execute('chain', { images, start })
      const bySample = (name: string) => splitSamples(outputs[name] as Float32Array, samples.length, batchSize * config.numClasses)
      return { estimates: timesteps.map((t) => bySample(estimateName(t))), head: bySample('head') }
    },
  }
}

function chainProgram({ batchSize, samples }: ChainOptions, others: readonly ParameterSpec[], parts: DiscreteParts): Program {
  const { config, block, head, embedding } = parts
  const rows = samples.length * batchSize
  const specs = (parameters: readonly ParameterSpec[]): TensorSpecs =>
    Object.fromEntries(parameters.map(({ name, shape }) => [name, { shape, dtype: 'float32' }]))
  const timesteps = Array.from({ length: config.blocks }, (_, i) => i + 1)

  return {
    state: Object.assign(specs(others), ...timesteps.map((t) => addPrefix(blockPrefix(t), specs(frozenParameters(block))))),
    inputs: {
      images: { shape: [batchSize, ...config.imageShape], dtype: 'float32' },
      start: { shape: [rows, embedding.dimension], dtype: 'float32' },
    },
    run(weights, inputs) {
      const outputs: NamedTensorMap = {}
      const bySample = (probabilities: Tensor2D) => reshape(probabilities, [samples.length, batchSize, config.numClasses])
      let z = inputs['start'] as Tensor2D
      for (const t of timesteps) {
        const own = underPrefix(blockPrefix(t), weights)
        const probabilities = softmax(block.logits(own, inputs['images'] as Tensor4D, z, frozenMode(own)))
        z = mixEstimate(weights, t, z, embedding.combine(weights, probabilities))
        outputs[estimateName(t)] = bySample(probabilities)
      }
      outputs['head'] = bySample(softmax(head.logits(weights, z)))
      return { state: {}, outputs }
    },
  }
}

const estimateName = (t: number) => `estimate${t}`
