import { adjointSampler } from './baseline/adjoint-sampler.ts'
import { adjointUnit } from './baseline/adjoint-unit.ts'
import { backpropChain } from './baseline/backprop-chain.ts'
import { backpropUnit } from './baseline/backprop-unit.ts'
import { forwardForwardChain } from './baseline/forward-forward-chain.ts'
import { forwardForwardParts } from './baseline/forward-forward-parts.ts'
import { forwardForwardUnit } from './baseline/forward-forward-unit.ts'
import { mixParameters } from './baseline/mix-estimate.ts'
import { classifierHead } from './block/classifier-head.ts'
import { type BlockConfig, denoisingBlock } from './block/denoising-block.ts'
import { countParameters, elementCount, type ParameterSpec } from './block/parameters.ts'
import { timeConditionedNetwork } from './block/time-conditioned-network.ts'
import { continuousChain, continuousPlan } from './chain/continuous-chain.ts'
import { type ContinuousSampler, continuousTimeSampler, flowMatchingSampler } from './chain/continuous-sampler.ts'
import { discreteChain } from './chain/discrete-chain.ts'
import type { LabelEmbedding } from './embedding/label-embedding.ts'
import { oneHotEmbedding } from './embedding/one-hot.ts'
import { embeddingInit, trainedEmbedding } from './embedding/trained-embedding.ts'
import type { Method, Model, ModelConfig, TrainingUnit } from './model.ts'
import { cosineSchedule } from './schedule/cosine-schedule.ts'
import { continuousTimeObjective } from './train/continuous-time-objective.ts'
import { continuousUnit } from './train/continuous-unit.ts'
import { coupledUnit, sharedParameters } from './train/coupled-unit.ts'
import { denoisingUnit } from './train/denoising-unit.ts'
import { flowMatchingObjective } from './train/flow-matching-objective.ts'
import { headUnit } from './train/head-unit.ts'
import type { ContinuousParts, DiscreteParts } from './train/model-parts.ts'
import { validateModelConfig } from './validate-model-config.ts'

const embeddings: Record<ModelConfig['embedding'], (config: ModelConfig) => LabelEmbedding> = {
  'one-hot': ({ numClasses }) => oneHotEmbedding(numClasses),
  learned: (config) => trainedEmbedding(config, config.embeddingDim),
  prototype: (config) => trainedEmbedding(config, elementCount(config.imageShape)),
}

type BuiltModel = Omit<Model, 'config' | 'needsPrototypes'>

const methods: Record<Method, (config: ModelConfig, embedding: LabelEmbedding) => BuiltModel> = {
  'noprop-dt': buildDiscreteTimeModel,
  'noprop-ct': (config, embedding) => {
    const parts = continuousParts(config, embedding)
    return buildContinuousModel(parts, continuousUnit(continuousTimeObjective(parts), parts), continuousTimeSampler(parts))
  },
  'noprop-fm': (config, embedding) => {
    const parts = continuousParts(config, embedding)
    return buildContinuousModel(parts, continuousUnit(flowMatchingObjective(parts), parts), flowMatchingSampler(parts))
  },
  backprop: buildBackpropModel,
  'forward-forward': buildForwardForwardModel,
  adjoint: (config, embedding) => {
    const parts = continuousParts(config, embedding)
    return buildContinuousModel(parts, adjointUnit(parts), adjointSampler(parts))
  },
}

/**
 * Builds everything that a configuration describes: what is trained, how, and the chain that predicts.
 *
 * @throws {ModelConfigError} naming the field that is out of range
 */
export function buildModel(config: ModelConfig): Model {
  validateModelConfig(config)
  const needsPrototypes = config.embedding !== 'one-hot' && embeddingInit(config) === 'prototype'
  return { config, needsPrototypes, ...methods[config.method](config, embeddings[config.embedding](config)) }
}

function blockConfig(config: ModelConfig, embedding: LabelEmbedding): BlockConfig {
  return { ...config, embeddingDim: embedding.dimension, latentIsImage: config.embedding === 'prototype' }
}

/** The parts of a network of discrete time. */
function discreteParts(config: ModelConfig, embedding: LabelEmbedding): DiscreteParts {
  return {
    config,
    embedding,
    block: denoisingBlock(blockConfig(config, embedding)),
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
    ...discreteFacts(parts, sharedParameters(parts)),
    chain: (options) => discreteChain(options, parts),
  }
}

function buildBackpropModel(config: ModelConfig, embedding: LabelEmbedding): BuiltModel {
  const parts = discreteParts(config, embedding)
  return {
    units: [backpropUnit(parts)],
    ...discreteFacts(parts, [...sharedParameters(parts), ...mixParameters(config.blocks)]),
    chain: (options) => backpropChain(options, parts),
  }
}

/** Its blocks are of two sizes, by what their label path reads. `perBlock` is that of the smaller, and `shared` what the others have beyond it. */
function buildForwardForwardModel(config: ModelConfig, embedding: LabelEmbedding): BuiltModel {
  const parts = forwardForwardParts(config, embedding)
  const sizes = parts.blocks.map(({ parameters }) => countParameters(parameters))
  const [total, perBlock] = [countParameters(parts.stack.parameters), Math.min(...sizes)]
  return {
    units: [forwardForwardUnit(parts)],
    parameters: { total, perBlock, shared: total - config.blocks * perBlock },
    flopsPerImage: 2 * parts.blocks[0]!.multiplyAdds,
    reportedSteps: sizes.map((_, i) => i + 1),
    chain: (options) => forwardForwardChain(options, parts),
  }
}

/** What is the same for every method that has a chain of blocks. */
function discreteFacts(
  { block, config }: DiscreteParts,
  besideBlocks: readonly ParameterSpec[],
): Pick<Model, 'parameters' | 'flopsPerImage' | 'reportedSteps'> {
  const perBlock = countParameters(block.parameters)
  const shared = countParameters(besideBlocks)
  return {
    parameters: { total: shared + config.blocks * perBlock, perBlock, shared },
    flopsPerImage: 2 * block.multiplyAdds,
    reportedSteps: Array.from({ length: config.blocks }, (_, i) => i + 1),
  }
}

/** The parts of a network of continuous time. */
function continuousParts(config: ModelConfig, embedding: LabelEmbedding): ContinuousParts {
  return {
    config,
    embedding,
    network: timeConditionedNetwork(blockConfig(config, embedding)),
    head: classifierHead(config, embedding),
  }
}

/** One network for all times, which learns as a whole: none of its parts is a unit of its own. */
function buildContinuousModel(parts: ContinuousParts, unit: TrainingUnit, sampler: ContinuousSampler): BuiltModel {
  const { network } = parts
  const total = unit.parameterCount
  const perBlock = countParameters([...network.imageParameters, ...network.stepParameters])
  return {
    units: [unit],
    parameters: { total, perBlock, shared: total - perBlock },
    flopsPerImage: 2 * network.multiplyAdds,
    reportedSteps: continuousPlan(parts.config).reported,
    chain: (options) => continuousChain(options, parts, sampler),
  }
}
