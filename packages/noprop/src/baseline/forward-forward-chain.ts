/** @file Inference with the forward-forward algorithm: the class whose label, beside the image, excites the blocks most. */

import type { Program, TensorSpecs } from '@noprop/engine'
import { add, type NamedTensorMap, reshape, softmax, type Tensor2D, type Tensor4D, tensor1d, transpose } from '@tensorflow/tfjs-core'
import { frozenMode } from '../block/block-mode.ts'
import { addPrefix, blockPrefix, underPrefix } from '../block/block-names.ts'
import { frozenBlockWeights, frozenParameters } from '../block/frozen-block.ts'
import { checkChainInputs, checkChainOptions, requireState } from '../chain/chain-batch.ts'
import type { ChainOptions, ChainResult, DenoisingChain } from '../model.ts'
import { servedWeights } from '../optimizer/adam.ts'
import { wholeUnit } from '../train/continuous-unit.ts'
import type { ForwardForwardParts } from './forward-forward-parts.ts'
import { goodness, normalizeLength } from './goodness.ts'

/**
 * The chain for a fixed batch size: every image with every label. After block t the classes are weighed by the goodness in blocks 1…t, the first one included,
 * because it sees the image as well as the others do; there is no other head. Nothing is random, so all samples are the same.
 *
 * @throws {ModelConfigError} batchSize or samples is empty
 */
export function forwardForwardChain(options: ChainOptions, parts: ForwardForwardParts): DenoisingChain {
  checkChainOptions(options)
  const { config, blocks } = parts
  return {
    programs: { chain: chainProgram(options, parts) },
    weights(states) {
      const served = servedWeights(requireState(states, wholeUnit))
      const frozen = blocks.map((block, i) =>
        addPrefix(blockPrefix(i + 1), frozenBlockWeights(block, underPrefix(blockPrefix(i + 1), served))),
      )
      return { chain: Object.assign({}, ...frozen) }
    },
    async run(execute, images, keys): Promise<ChainResult> {
      checkChainInputs(options, config, images, keys)
      const outputs = await execute('chain', { images })
      const estimates = blocks.map((_, i) => options.samples.map(() => outputs[estimateName(i + 1)] as Float32Array))
      return { estimates, head: estimates.at(-1)! }
    },
  }
}

function chainProgram({ batchSize }: ChainOptions, { config, blocks, embedding }: ForwardForwardParts): Program {
  const { numClasses, imageShape } = config
  const candidates = Int32Array.from({ length: numClasses * batchSize }, (_, row) => Math.floor(row / batchSize))
  const state: TensorSpecs = Object.assign(
    {},
    ...blocks.map((block, i) =>
      addPrefix(
        blockPrefix(i + 1),
        Object.fromEntries(frozenParameters(block).map(({ name, shape }) => [name, { shape, dtype: 'float32' }])),
      ),
    ),
  )

  return {
    state,
    inputs: { images: { shape: [batchSize, ...imageShape], dtype: 'float32' } },
    run(weights, inputs) {
      const outputs: NamedTensorMap = {}
      let z = embedding.embed(weights, tensor1d(candidates, 'int32'))
      let total: Tensor2D | undefined
      blocks.forEach((block, i) => {
        const own = underPrefix(blockPrefix(i + 1), weights)
        const hidden = block.hidden(own, inputs['images'] as Tensor4D, z, frozenMode(own))
        const byClass = transpose(reshape(goodness(hidden), [numClasses, batchSize])) as Tensor2D
        total = total ? add(total, byClass) : byClass
        outputs[estimateName(i + 1)] = softmax(total)
        z = normalizeLength(hidden)
      })
      return { state: {}, outputs }
    },
  }
}

const estimateName = (t: number) => `estimate${t}`
