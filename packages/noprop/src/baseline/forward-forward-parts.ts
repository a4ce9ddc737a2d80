import { type DenoisingBlock, denoisingBlock } from '../block/denoising-block.ts'
import type { LabelEmbedding } from '../embedding/label-embedding.ts'
import { ModelConfigError } from '../errors.ts'
import type { ModelConfig } from '../model.ts'
import { type BlockStack, blockStack } from './block-stack.ts'

/** What a network of the forward-forward algorithm is made of. */
export interface ForwardForwardParts {
  readonly config: ModelConfig
  readonly embedding: LabelEmbedding
  /** block t is element t − 1 */
  readonly blocks: readonly DenoisingBlock[]
  readonly stack: BlockStack
}

/**
 * The blocks of NoProp-DT without the layer that reads the class. Block 1 reads a label where NoProp's reads a latent; the label path of every later one reads the
 * last hidden layer of the block before it, so it has another width. The image path is the same in all.
 *
 * @throws {ModelConfigError} embedding: labels are an input here and not a goal, so there is nothing that would train them
 */
export function forwardForwardParts(config: ModelConfig, embedding: LabelEmbedding): ForwardForwardParts {
  if (config.embedding !== 'one-hot') throw new ModelConfigError('embedding', 'forward-forward trains with one-hot labels alone')
  const first = hiddenBlock(config, embedding.dimension)
  const later = hiddenBlock(config, first.hiddenSize)
  const blocks = Array.from({ length: config.blocks }, (_, i) => (i === 0 ? first : later))
  return { config, embedding, blocks, stack: blockStack(blocks, config) }
}

/** A block that reads vectors of `latentSize` and ends with its last hidden layer. */
function hiddenBlock(config: ModelConfig, latentSize: number): DenoisingBlock {
  const block = denoisingBlock({ ...config, embeddingDim: latentSize, latentIsImage: false })
  const multiplyAdds = block.multiplyAdds - block.hiddenSize * config.numClasses
  return { ...block, parameters: block.hiddenParameters, multiplyAdds }
}
