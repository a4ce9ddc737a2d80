/** @file Inference in continuous time: z_0 → z_1 in many small steps of one network. */

import type { HostTensors, Program, TensorSpec, TensorSpecs } from '@noprop/engine'
import { add, gather, mul, type NamedTensorMap, reshape, split, type Tensor1D, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core'
import { frozenMode } from '../block/block-mode.ts'
import type { ParameterSpec } from '../block/parameters.ts'
import { fillTimeEmbeddings, timeEmbeddingSize } from '../block/time-embedding.ts'
import type { ChainOptions, ChainResult, DenoisingChain, ModelConfig } from '../model.ts'
import { servedWeights } from '../optimizer/adam.ts'
import type { ChainCoefficients } from '../schedule/noise-schedule.ts'
import { wholeUnit } from '../train/continuous-unit.ts'
import type { ContinuousParts } from '../train/model-parts.ts'
import { checkChainInputs, checkChainOptions, requireState, splitSamples } from './chain-batch.ts'
import { drawChainStart, fillStepNoise, latentCount } from './chain-noise.ts'
import type { ContinuousSampler } from './continuous-sampler.ts'
import { planSteps, type StepPlan } from './step-plan.ts'

/** Of one run: enough that the run itself costs nothing, few enough that compiling it does not, either. A latent that is an image has convolutions in every step. */
const mostStepsPerRun = { vector: 50, image: 5 } as const

export function continuousPlan({ inferenceSteps, embedding }: Pick<ModelConfig, 'inferenceSteps' | 'embedding'>): StepPlan {
  return planSteps(inferenceSteps, mostStepsPerRun[embedding === 'prototype' ? 'image' : 'vector'])
}

/**
 * The chain for a fixed batch size, as two programs: `encode` passes the images through their path, once; `steps` goes on by some steps and is run again and again.
 * What changes from step to step (coefficients, time embeddings) is computed in double precision and stands in the state of `steps`, by run.
 *
 * @throws {ModelConfigError} batchSize or samples is empty
 */
export function continuousChain(options: ChainOptions, parts: ContinuousParts, sampler: ContinuousSampler): DenoisingChain {
  checkChainOptions(options)
  const { batchSize, samples } = options
  const { config, network, embedding } = parts
  const plan = continuousPlan(config)
  const stepParameters = [...network.stepParameters, ...sampler.parameters]
  const hasStepNoise = sampler.isStochastic && samples.includes(true)

  return {
    programs: { encode: encodingProgram(batchSize, parts), steps: stepsProgram(options, parts, sampler) },
    weights(states) {
      const served = servedWeights(requireState(states, wholeUnit))
      const pick = (parameters: readonly ParameterSpec[]) => Object.fromEntries(parameters.map(({ name }) => [name, served[name]!]))
      return {
        encode: pick(network.imageParameters),
        steps: { ...pick(stepParameters), ...stepTables(sampler.steps(served), plan) },
      }
    },
    async run(execute, images, keys, seed): Promise<ChainResult> {
      checkChainInputs(options, config, images, keys)
      const draws = { seed, keys, samples, embeddingDim: embedding.dimension }
      const { imagePart } = await execute('encode', { images })
      const noise: HostTensors = hasStepNoise ? { noise: new Float32Array(plan.stepsPerChunk * latentCount(draws)) } : {}
      const bySample = (values: HostTensors[string]) => splitSamples(values as Float32Array, samples.length, batchSize * config.numClasses)

      const estimates: Float32Array[][] = []
      let outputs: HostTensors = { z: drawChainStart(draws) }
      for (let chunk = 0; chunk < plan.chunks; chunk++) {
        if (noise['noise']) fillStepNoise(noise['noise'] as Float32Array, draws, chunk * plan.stepsPerChunk + 1)
        outputs = await execute('steps', { imagePart: imagePart!, z: outputs['z']!, chunk: Int32Array.of(chunk), ...noise })
        if ((chunk + 1) % plan.chunksPerReport === 0) estimates.push(bySample(outputs['estimate']!))
      }
      return { estimates, head: bySample(outputs['head']!) }
    },
  }
}

function encodingProgram(batchSize: number, { config, network }: ContinuousParts): Program {
  return {
    state: specsOf(network.imageParameters),
    inputs: { images: { shape: [batchSize, ...config.imageShape], dtype: 'float32' } },
    run: (weights, inputs) => ({
      state: {},
      outputs: { imagePart: network.imagePart(weights, inputs['images'] as Tensor4D, frozenMode(weights)) },
    }),
  }
}

function stepsProgram({ batchSize, samples }: ChainOptions, parts: ContinuousParts, sampler: ContinuousSampler): Program {
  const { config, network, embedding } = parts
  const plan = continuousPlan(config)
  const { stepsPerChunk } = plan
  const latents = [samples.length * batchSize, embedding.dimension] as const
  const hasStepNoise = sampler.isStochastic && samples.includes(true)

  return {
    state: { ...specsOf([...network.stepParameters, ...sampler.parameters]), ...stepTableSpecs(plan) },
    inputs: {
      imagePart: { shape: [batchSize, network.features], dtype: 'float32' },
      z: { shape: latents, dtype: 'float32' },
      chunk: { shape: [1], dtype: 'int32' },
      ...(hasStepNoise ? { noise: { shape: [stepsPerChunk, ...latents], dtype: 'float32' as const } } : {}),
    },
    run(weights, inputs) {
      const imagePart = inputs['imagePart'] as Tensor2D
      const mode = frozenMode(weights)
      const { a, b, root, timeLeft, timeParts } = readStepTables(weights, inputs['chunk'] as Tensor1D, parts, stepsPerChunk)
      const noise = inputs['noise'] ? split(mul(inputs['noise'], reshape(root, [stepsPerChunk, 1, 1])), stepsPerChunk) : undefined

      let z = inputs['z'] as Tensor2D
      let outputs: NamedTensorMap = {}
      for (let step = 0; step < stepsPerChunk; step++) {
        const logits = network.logits(weights, { imagePart, timePart: timeParts[step]! }, z, mode)
        const direction = sampler.direction(weights, logits)
        z = add(mul(direction, a[step]!), mul(z, b[step]!))
        if (noise) z = add(z, reshape(noise[step]!, [...latents]))
        if (step === stepsPerChunk - 1) {
          const estimate = sampler.estimate(weights, { logits, direction, z, timeLeft })
          outputs = { z, estimate, head: sampler.decode(weights, z) }
        }
      }
      return { state: {}, outputs }
    },
  }
}

function specsOf(parameters: readonly ParameterSpec[]): Record<string, TensorSpec> {
  return Object.fromEntries(parameters.map(({ name, shape }) => [name, { shape, dtype: 'float32' as const }]))
}

// ---- what changes from step to step, by run ----

const tableNames = {
  a: 'steps.a',
  b: 'steps.b',
  root: 'steps.noise',
  timeLeft: 'steps.timeLeft',
  timeEmbeddings: 'steps.timeEmbeddings',
} as const

function stepTableSpecs({ chunks, stepsPerChunk }: StepPlan): TensorSpecs {
  const table = (columns: number): TensorSpec => ({ shape: [chunks, columns], dtype: 'float32' })
  return {
    [tableNames.a]: table(stepsPerChunk),
    [tableNames.b]: table(stepsPerChunk),
    [tableNames.root]: table(stepsPerChunk),
    [tableNames.timeLeft]: table(1),
    [tableNames.timeEmbeddings]: table(stepsPerChunk * timeEmbeddingSize),
  }
}

function stepTables(steps: readonly ChainCoefficients[], { chunks, stepsPerChunk }: StepPlan): HostTensors {
  const timeEmbeddings = new Float32Array(steps.length * timeEmbeddingSize)
  fillTimeEmbeddings(
    timeEmbeddings,
    steps.map((_, i) => i / steps.length),
  )
  return {
    [tableNames.a]: Float32Array.from(steps, ({ a }) => a),
    [tableNames.b]: Float32Array.from(steps, ({ b }) => b),
    [tableNames.root]: Float32Array.from(steps, ({ c }) => Math.sqrt(c)),
    [tableNames.timeLeft]: Float32Array.from({ length: chunks }, (_, chunk) => 1 - ((chunk + 1) * stepsPerChunk) / steps.length),
    [tableNames.timeEmbeddings]: timeEmbeddings,
  }
}

function readStepTables(weights: NamedTensorMap, chunk: Tensor1D, { network }: ContinuousParts, stepsPerChunk: number) {
  const row = (name: string) => gather(weights[name] as Tensor2D, chunk)
  const timeEmbeddings = reshape(row(tableNames.timeEmbeddings), [stepsPerChunk, timeEmbeddingSize]) as Tensor2D
  return {
    a: split(row(tableNames.a), stepsPerChunk, 1),
    b: split(row(tableNames.b), stepsPerChunk, 1),
    root: row(tableNames.root),
    timeLeft: row(tableNames.timeLeft) as Tensor2D,
    timeParts: split(network.timePart(weights, timeEmbeddings), stepsPerChunk) as Tensor2D[],
  }
}
