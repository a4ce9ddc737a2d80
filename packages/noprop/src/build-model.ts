import { classifierHead } from './block/classifier-head.ts'
import { denoisingBlock } from './block/denoising-block.ts'
import { countParameters, elementCount } from './block/parameters.ts'
import { discreteChain } from './chain/discrete-chain.ts'
import type { LabelEmbedding } from './embedding/label-embedding.ts'
import { oneHotEmbedding } from './embedding/one-hot.ts'
import { embeddingInit, trainedEmbedding } from './embedding/trained-embedding.ts'
import type { Method, Model, ModelConfig } from './model.ts'
import { cosineSchedule } from './schedule/cosine-schedule.ts'
import { coupledUnit, sharedParameters } from './train/coupled-unit.ts'
import { denoisingUnit } from './train/denoising-unit.ts'
import { headUnit } from './train/head-unit.ts'
import type { DiscreteParts } from './train/model-parts.ts'
import { validateModelConfig } from './validate-model-config.ts'

const embeddings: Record<ModelConfig['embedding'], (config: ModelConfig) => LabelEmbedding> = {
  'one-hot': ({ numClasses }) => oneHotEmbedding(numClasses),
  learned: (config) => trainedEmbedding(config, config.embeddingDim),
  prototype: (config) => trainedEmbedding(config, elementCount(config.imageShape)),
}

type BuiltModel = Omit<Model, 'config' | 'needsPrototypes'>

const methods: Partial<Record<Method, (config: ModelConfig, embedding: LabelEmbedding) => BuiltModel>> = {
  'noprop-dt': buildDiscreteTimeModel,
}

/**
 * Builds everything that a configuration describes: what is trained, how, and the chain that predicts.
 *
 * @throws {ModelConfigError} naming the field that is out of range
 */
export function buildModel(config: ModelConfig): Model {
  validateModelConfig(config)
  const needsPrototypes = config.embedding !== 'one-hot' && embeddingInit(config) === 'prototype'
  return { config, needsPrototypes, ...methods[config.method]!(config, embeddings[config.embedding](config)) }
}

/** The parts of a network of discrete time. */
function discreteParts(config: ModelConfig, embedding: LabelEmbedding): DiscreteParts {
  return {
    config,
    embedding,
    block: denoisingBlock({ ...config, embeddingDim: embedding.dimension, latentIsImage: config.embedding === 'prototype' }),
    head: classifierHead(config, embedding),
    schedule: cosineSchedule(config.blocks),
  }
}

function buildDiscreteTimeModel(config: ModelConfig, embedding: LabelEmbedding): BuiltModel {
  const parts = discreteParts(config, embedding)
  const timesteps = Array.from({ length: config.blocks }, (_, i) => i + 1)
  const isCoupled = embedding.parameters.length > 0
  return {
    units: isCoupled ? timesteps.map((t) => coupledUnit(t, parts)) : [headUnit(parts), ...timesteps.map((t) => denoisingUnit(t, parts))],
    ...discreteFacts(parts),
    chain: (options) => discreteChain(options, parts),
  }
}

/** What is the same for every method that has a chain of blocks. */
function discreteFacts(parts: DiscreteParts): Pick<Model, 'parameters' | 'flopsPerImage' | 'reportedSteps'> {
  const { block, config } = parts
  const perBlock = countParameters(block.parameters)
  const shared = countParameters(sharedParameters(parts))
  return {
    parameters: { total: shared + config.blocks * perBlock, perBlock, shared },
    flopsPerImage: 2 * block.multiplyAdds,
    reportedSteps: Array.from({ length: config.blocks }, (_, i) => i + 1),
  }
}
