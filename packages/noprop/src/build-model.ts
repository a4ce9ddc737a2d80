import { linearHead } from './block/classifier-head.ts'
import { denoisingBlock } from './block/denoising-block.ts'
import { countParameters } from './block/parameters.ts'
import { discreteChain } from './chain/discrete-chain.ts'
import type { LabelEmbedding } from './embedding/label-embedding.ts'
import { oneHotEmbedding } from './embedding/one-hot.ts'
import type { Model, ModelConfig } from './model.ts'
import { cosineSchedule } from './schedule/cosine-schedule.ts'
import { denoisingUnit } from './train/denoising-unit.ts'
import { headUnit } from './train/head-unit.ts'
import { validateModelConfig } from './validate-model-config.ts'

const embeddings: Record<ModelConfig['embedding'], (config: ModelConfig) => LabelEmbedding> = {
  'one-hot': ({ numClasses }) => oneHotEmbedding(numClasses),
}

const methods: Record<ModelConfig['method'], (config: ModelConfig, embedding: LabelEmbedding) => Model> = {
  'noprop-dt': buildDiscreteTimeModel,
}

/**
 * Builds everything that a configuration describes: what is trained, how, and the chain that predicts.
 *
 * @throws {ModelConfigError} naming the field that is out of range
 */
export function buildModel(config: ModelConfig): Model {
  validateModelConfig(config)
  return methods[config.method](config, embeddings[config.embedding](config))
}

function buildDiscreteTimeModel(config: ModelConfig, embedding: LabelEmbedding): Model {
  const schedule = cosineSchedule(config.blocks)
  const block = denoisingBlock({ ...config, embeddingDim: embedding.dimension })
  const head = linearHead(embedding.dimension, config.numClasses)
  const parts = { config, block, head, embedding, schedule }
  const perBlock = countParameters(block.parameters)
  const shared = countParameters(head.parameters)
  return {
    config,
    units: [headUnit(parts), ...Array.from({ length: config.blocks }, (_, i) => denoisingUnit(i + 1, parts))],
    parameters: { total: shared + config.blocks * perBlock, perBlock, shared },
    flopsPerImage: 2 * block.multiplyAdds,
    chain: (options) => discreteChain(options, parts),
  }
}
