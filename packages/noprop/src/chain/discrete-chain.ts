/** @file Inference of NoProp-DT: z_0 → z_T, one block after another. */

import type { HostTensors, Program, TensorSpec } from '@noprop/engine'
import { type NamedTensorMap, reshape, softmax, split, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core'
import { foldBatchNorm } from '../block/batch-norm.ts'
import { frozenMode } from '../block/block-mode.ts'
import type { ClassifierHead } from '../block/classifier-head.ts'
import type { DenoisingBlock } from '../block/denoising-block.ts'
import { elementCount } from '../block/parameters.ts'
import type { LabelEmbedding } from '../embedding/label-embedding.ts'
import { ModelConfigError, ShapeError } from '../errors.ts'
import type { ChainOptions, ChainResult, DenoisingChain, ModelConfig } from '../model.ts'
import type { NoiseSchedule } from '../schedule/noise-schedule.ts'
import { drawChainNoise } from './chain-noise.ts'
import { chainStep } from './chain-step.ts'

interface Parts {
  readonly config: ModelConfig
  readonly block: DenoisingBlock
  readonly head: ClassifierHead
  readonly embedding: LabelEmbedding
  readonly schedule: NoiseSchedule
}

/**
 * The chain for a fixed batch size. With the noise of Eq. 3 it draws a sample of p(y | x), as the paper does; without, it starts at
 * z_0 = 0 and goes to the most probable class.
 *
 * @throws {ModelConfigError} batchSize or samples is empty
 */
export function discreteChain({ batchSize, samples }: ChainOptions, parts: Parts): DenoisingChain {
  if (!Number.isInteger(batchSize) || batchSize < 1) throw new ModelConfigError('batchSize', 'a chain needs at least 1 image')
  if (samples.length === 0) throw new ModelConfigError('samples', 'a chain needs at least 1 sample')
  const { config, block, head, embedding } = parts
  const { blocks, numClasses } = config
  const imageSize = elementCount(config.imageShape)
  const timesteps = Array.from({ length: blocks }, (_, i) => i + 1)

  return {
    program: chainProgram({ batchSize, samples }, parts),
    weights(states) {
      const unitState = (unit: number) => requireState(states, unit)
      const weights: HostTensors = {}
      for (const { name } of head.parameters) weights[name] = unitState(0)[name]!
      for (const t of timesteps) {
        const folded = foldBatchNorm(
          unitState(t),
          frozenParameters(block).map(({ name }) => name),
          block.normLayers,
        )
        for (const [name, values] of Object.entries(folded)) weights[blockPrefix(t) + name] = values
      }
      return weights
    },
    inputs(images, keys, seed) {
      if (images.length !== batchSize * imageSize) throw new ShapeError('images', batchSize * imageSize, images.length)
      if (keys.length !== batchSize) throw new ShapeError('keys', batchSize, keys.length)
      return { images, ...drawChainNoise({ seed, keys, samples, blocks, embeddingDim: embedding.dimension }) }
    },
    read(outputs): ChainResult {
      const bySample = (name: string) => {
        const all = outputs[name] as Float32Array
        const size = batchSize * numClasses
        return samples.map((_, sample) => all.subarray(sample * size, (sample + 1) * size))
      }
      return { estimates: timesteps.map((t) => bySample(estimateName(t))), head: bySample('head') }
    },
  }
}

function chainProgram({ batchSize, samples }: ChainOptions, { config, block, head, embedding, schedule }: Parts): Program {
  const { blocks, numClasses, imageShape } = config
  const rows = samples.length * batchSize
  const state: Record<string, TensorSpec> = {}
  for (const { name, shape } of head.parameters) state[name] = { shape, dtype: 'float32' }
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
        const blockWeights = weightsOfBlock(weights, block, t)
        const probabilities = softmax(block.logits(blockWeights, inputs['images'] as Tensor4D, z, frozenMode(blockWeights)))
        const epsilon = reshape(noise[t - 1]!, [rows, embedding.dimension]) as Tensor2D
        z = chainStep(embedding.combine(probabilities), z, epsilon, schedule.chainCoefficients(t))
        outputs[estimateName(t)] = reshape(probabilities, [samples.length, batchSize, numClasses])
      }
      outputs['head'] = reshape(softmax(head.logits(weights, z)), [samples.length, batchSize, numClasses])
      return { state: {}, outputs }
    },
  }
}

const blockPrefix = (t: number) => `block${t}/`
const estimateName = (t: number) => `estimate${t}`

/** What is left of a block's weights when batch norm is folded into kernels and biases. */
function frozenParameters(block: DenoisingBlock) {
  const ofNorms = new Set(block.normLayers.flatMap(({ name }) => [`${name}.scale`, `${name}.offset`]))
  return block.parameters.filter(({ name }) => !ofNorms.has(name))
}

function weightsOfBlock(weights: NamedTensorMap, block: DenoisingBlock, t: number): NamedTensorMap {
  return Object.fromEntries(frozenParameters(block).map(({ name }) => [name, weights[blockPrefix(t) + name]!]))
}

function requireState(states: ReadonlyMap<number, HostTensors>, unit: number): HostTensors {
  const state = states.get(unit)
  if (!state) throw new ShapeError('states', `a state of unit ${unit}`, 'none')
  return state
}
