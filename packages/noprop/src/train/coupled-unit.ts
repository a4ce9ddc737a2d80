/**
 * @file A denoising block with an embedding that is trained. W and the head belong to all blocks: Algorithm 1 updates them in every step of every block, so
 * the blocks take turns, each for an epoch, and hand them on.
 */

import type { HostTensors, Program } from '@noprop/engine'
import { add, type Scalar } from '@tensorflow/tfjs-core'
import { countParameters, type ParameterSpec } from '../block/parameters.ts'
import { blockLossWeight } from '../loss/denoising-loss.ts'
import type { StepContext, TrainingUnit } from '../model.ts'
import { adamInputs, adamInputSpecs, adamStep, optimizerPrefix } from '../optimizer/adam.ts'
import { blockLoss, differentiatedNames, requireBatchForNorm } from './denoising-unit.ts'
import { differentiate } from './differentiate.ts'
import { headLoss, sharedUnit } from './head-unit.ts'
import type { DiscreteParts } from './model-parts.ts'
import { readScalars } from './read-scalars.ts'
import { initialUnitState, stateSpecs } from './state-layout.ts'
import {
  createStepBuffers,
  imageInput,
  imageSpec,
  labelInput,
  labelSpec,
  latentInputs,
  latentSpecs,
  maskInputs,
  maskSpecs,
  scalarSpec,
} from './step-inputs.ts'

/** Begins the names of the scalars of the second optimizer, that of what is shared: its steps are those of all blocks together. */
const sharedOptimizer = 'sharedOptimizer'

/** W and the head. */
export function sharedParameters({ head, embedding }: Pick<DiscreteParts, 'head' | 'embedding'>): ParameterSpec[] {
  return [...head.parameters, ...embedding.parameters]
}

/** The unit of block t, with the weights that it shares with the others. */
export function coupledUnit(t: number, parts: DiscreteParts): TrainingUnit {
  const { config, block, embedding, schedule } = parts
  const { parameters, normLayers } = block
  const shared = sharedParameters(parts)
  const averaged = config.emaDecay > 0
  const buffers = createStepBuffers()

  return {
    block: t,
    parameterCount: countParameters(parameters),
    programKey: 'coupled-block',
    stepsPerEpoch: (batches) => batches,
    initialState: (seed, data) => ({
      ...initialUnitState(parameters, { seed, block: t, normLayers, averaged }),
      ...initialUnitState(shared, { seed, block: sharedUnit, data, averaged }),
    }),
    trainingProgram: (batchSize) => trainingProgram(batchSize, parts),
    stepInputs(batch, context) {
      const { seed, step } = context
      const batchSize = batch.labels.length
      const latent = { batchSize, noiseSamples: config.noiseSamples, embeddingDim: embedding.dimension }
      const sharedStep = sharedStepOf(context, t, config.blocks)
      const last = { ...latent, alphaBar: schedule.alphaBar[config.blocks]!, draw: [sharedUnit, sharedStep], prefix: 'last' }
      return {
        images: imageInput(batch, config),
        labels: labelInput(batch, config.numClasses, buffers),
        ...latentInputs(seed, { ...latent, alphaBar: schedule.alphaBar[t - 1]!, draw: [t, step] }, buffers),
        ...latentInputs(seed, last, buffers),
        ...maskInputs({ seed, step, block: t }, { layers: block.dropoutLayers, batchSize, config }, buffers),
        ...adamInputs(config, context),
        ...adamInputs(config, { ...context, step: sharedStep }, sharedOptimizer),
        lossWeight: Float32Array.of(blockLossWeight(schedule, config.eta, t)),
      }
    },
    readMetrics: readScalars,
    adoptShared: (own, previous) => ({ ...own, ...pickShared(previous, shared) }),
  }
}

function trainingProgram(batchSize: number, parts: DiscreteParts): Program {
  const { config, block, embedding } = parts
  requireBatchForNorm(batchSize)
  const { parameters, normLayers } = block
  const averaged = config.emaDecay > 0
  const shared = sharedParameters(parts)
  const namesOf = (list: readonly ParameterSpec[]) => list.map(({ name }) => name)

  return {
    state: { ...stateSpecs(parameters, { normLayers, averaged }), ...stateSpecs(shared, { averaged }) },
    inputs: {
      images: imageSpec(batchSize, config),
      labels: labelSpec(batchSize),
      ...latentSpecs(batchSize, config.noiseSamples, embedding.dimension),
      ...latentSpecs(batchSize, config.noiseSamples, embedding.dimension, 'last'),
      ...maskSpecs({ layers: block.dropoutLayers, batchSize, config }),
      ...adamInputSpecs(config),
      ...adamInputSpecs(config, sharedOptimizer),
      lossWeight: scalarSpec,
    },
    run(state, inputs) {
      const names = [...differentiatedNames(block), ...namesOf(shared)]
      // Eq. 8 but for its second term, the divergence of z_0 from the prior: it is 0 whatever W is, because ᾱ_0 = 0.
      const { others, gradients } = differentiate(state, names, () => {
        const denoising = blockLoss(state, inputs, parts)
        const decoding = headLoss(state, inputs, parts)
        return {
          loss: add(denoising.loss, decoding.loss) as Scalar,
          others: { ...denoising.others, weighted: denoising.loss, crossEntropy: decoding.loss },
        }
      })
      const { denoising, accuracy, weighted, crossEntropy, ...runningStatistics } = others
      const step = adamStep(state, namesOf(parameters), gradients, { config, inputs })
      const sharedStep = adamStep(state, namesOf(shared), gradients, { config, inputs, prefix: sharedOptimizer })
      return {
        state: { ...step.state, ...sharedStep.state, ...runningStatistics },
        outputs: {
          denoising_loss: denoising!,
          weighted_loss: weighted!,
          cross_entropy: crossEntropy!,
          accuracy: accuracy!,
          gradient_norm: step.gradientNorm,
          update_ratio: step.updateRatio,
        },
      }
    },
  }
}

/** Steps that the shared weights have done before step `step` of block t, when the blocks take turns, an epoch each. */
export function sharedStepOf({ step, batches }: Pick<StepContext, 'step' | 'batches'>, t: number, blocks: number): number {
  const epoch = Math.floor(step / batches)
  return (epoch * blocks + t - 1) * batches + (step % batches)
}

function pickShared(state: HostTensors, shared: readonly ParameterSpec[]): HostTensors {
  const picked: HostTensors = {}
  for (const prefix of ['', ...Object.values(optimizerPrefix)]) {
    for (const { name } of shared) if (state[prefix + name]) picked[prefix + name] = state[prefix + name]!
  }
  return picked
}
