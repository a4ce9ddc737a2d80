/** @file Inference of NoProp-DT: z_0 → z_T, one block after another. */

import type { HostTensors, Program, TensorSpec } from '@noprop/engine'
import { type NamedTensorMap, reshape, softmax, split, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core'
import { frozenMode } from '../block/block-mode.ts'
import { addPrefix, blockPrefix, underPrefix } from '../block/block-names.ts'
import { frozenBlockWeights, frozenParameters } from '../block/frozen-block.ts'
import type { ChainOptions, ChainResult, DenoisingChain } from '../model.ts'
import { servedWeights } from '../optimizer/adam.ts'
import { sharedParameters } from '../train/coupled-unit.ts'
import type { DiscreteParts } from '../train/model-parts.ts'
import { sharedUnit } from '../train/head-unit.ts'
import { checkChainInputs, checkChainOptions, requireState, splitSamples } from './chain-batch.ts'
import { drawChainNoise } from './chain-noise.ts'
import { chainStep } from './chain-step.ts'

/**
 * The chain for a fixed batch size. With the noise of Eq. 3 it draws a sample of p(y | x), as the paper does; without, it starts at
 * z_0 = 0 and goes to the most probable class.
 *
 * @throws {ModelConfigError} batchSize or samples is empty
 */
export function discreteChain(options: ChainOptions, parts: DiscreteParts): DenoisingChain {
  checkChainOptions(options)
  const { batchSize, samples } = options
  const { config, block, embedding } = parts
  const { blocks } = config
  const timesteps = Array.from({ length: blocks }, (_, i) => i + 1)

  return {
    programs: { chain: chainProgram(options, parts) },
    weights(states) {
      const weights: HostTensors = {}
      // What the blocks share learns alone, or, where the embedding is trained, with every block, with the last one last.
      const shared = servedWeights(requireState(states, embedding.parameters.length === 0 ? sharedUnit : blocks))
      for (const { name } of sharedParameters(parts)) weights[name] = shared[name]!
      for (const t of timesteps) {
        Object.assign(weights, addPrefix(blockPrefix(t), frozenBlockWeights(block, servedWeights(requireState(states, t)))))
      }
      return { chain: weights }
    },
    async run(execute, images, keys, seed): Promise<ChainResult> {
      checkChainInputs(options, config, images, keys)
      const outputs = await execute('chain', {
        images,
        ...drawChainNoise({ seed, keys, samples, blocks, embeddingDim: embedding.dimension }),
      })
      const bySample = (name: string) => splitSamples(outputs[name] as Float32Array, samples.length, batchSize * config.numClasses)
      return { estimates: timesteps.map((t) => bySample(estimateName(t))), head: bySample('head') }
    },
  }
}

function chainProgram({ batchSize, samples }: ChainOptions, parts: DiscreteParts): Program {
  const { config, block, head, embedding, schedule } = parts
  const { blocks, numClasses, imageShape } = config
  const rows = samples.length * batchSize
  const state: Record<string, TensorSpec> = {}
  for (const { name, shape } of sharedParameters(parts)) state[name] = { shape, dtype: 'float32' }
  for (let t = 1; t <= blocks; t++) {
    for (const { name, shape } of frozenParameters(block)) state[blockPrefix(t) + name] = { shape, dtype: 'float32' }
  }

  return {
    state,
    inputs: {
      images: { shape: [batchSize, ...imageShape], dtype: 'float32' },
      start: { shape: [rows, embedding.dimension], dtype: 'float32' },
      noise: { shape: [blocks, rows, embedding.dimension], dtype: 'float32' },
    },
    run(weights, inputs) {
      const outputs: NamedTensorMap = {}
      const noise = split(inputs['noise']!, blocks, 0)
      let z = inputs['start'] as Tensor2D
      for (let t = 1; t <= blocks; t++) {
        const blockWeights = underPrefix(blockPrefix(t), weights)
        const probabilities = softmax(block.logits(blockWeights, inputs['images'] as Tensor4D, z, frozenMode(blockWeights)))
        const epsilon = reshape(noise[t - 1]!, [rows, embedding.dimension]) as Tensor2D
        z = chainStep(embedding.combine(weights, probabilities), z, epsilon, schedule.chainCoefficients(t))
        outputs[estimateName(t)] = reshape(probabilities, [samples.length, batchSize, numClasses])
      }
      outputs['head'] = reshape(softmax(head.logits(weights, z)), [samples.length, batchSize, numClasses])
      return { state: {}, outputs }
    },
  }
}

const estimateName = (t: number) => `estimate${t}`
