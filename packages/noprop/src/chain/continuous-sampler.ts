/** @file How the methods of continuous time take their steps, and where they read the class. */

import type { HostTensors } from '@noprop/engine'
import { add, mul, type NamedTensorMap, softmax, type Tensor2D } from '@tensorflow/tfjs-core'
import { nearestClassLogits } from '../block/nearest-class.ts'
import type { ParameterSpec } from '../block/parameters.ts'
import { hostSchedule } from '../schedule/learned-schedule.ts'
import { type ChainCoefficients, chainCoefficients } from '../schedule/noise-schedule.ts'
import type { ContinuousParts } from '../train/model-parts.ts'

export interface ContinuousSampler {
  /** Weights that it reads beside those of the network. */
  readonly parameters: readonly ParameterSpec[]
  /** Whether every step has a noise of its own, and not z_0 alone. */
  readonly isStochastic: boolean
  /** Coefficients of all steps, z′ = a·direction + b·z + √c·ε, from t = 0 on, by the weights of the unit. */
  steps(weights: HostTensors): ChainCoefficients[]
  /** What a step goes along, of the logits of the network: [rows, embeddingDim]. */
  direction(weights: NamedTensorMap, logits: Tensor2D): Tensor2D
  /** Class probabilities in the estimate of a step, [rows, numClasses]. */
  estimate(weights: NamedTensorMap, step: EstimatedStep): Tensor2D
  /** Class probabilities in the paper's decoding of the last latent. */
  decode(weights: NamedTensorMap, z: Tensor2D): Tensor2D
}

/** A step that has been taken. */
interface EstimatedStep {
  readonly logits: Tensor2D
  readonly direction: Tensor2D
  /** z after the step */
  readonly z: Tensor2D
  /** what is left of the time after it, 1 − t */
  readonly timeLeft: Tensor2D
}

/**
 * NoProp-CT, the direction being û. `eq3`: Eq. 3 between neighbouring times. `ode`: Euler steps of the probability-flow ODE
 * dz/dt = −½·γ′(t)·[√ᾱ·û − ᾱ·z], which has the same marginals.
 */
export function continuousTimeSampler({ config, embedding, head }: ContinuousParts): ContinuousSampler {
  return {
    parameters: [...head.parameters, ...embedding.parameters],
    isStochastic: config.sampler === 'eq3',
    steps: (weights) => (config.sampler === 'eq3' ? posteriorSteps : probabilityFlowSteps)(weights, config.inferenceSteps),
    direction: (weights, logits) => embedding.combine(weights, softmax(logits)),
    estimate: (_, { logits }) => softmax(logits),
    decode: (weights, z) => softmax(head.logits(weights, z)),
  }
}

/** NoProp-FM, the direction being v: Euler steps of dz/dt = v. After each, z̃_1 = z + (1 − t)·v is where it would lead. */
export function flowMatchingSampler({ config, embedding }: ContinuousParts): ContinuousSampler {
  const { inferenceSteps } = config
  const nearest = (weights: NamedTensorMap, z: Tensor2D) => softmax(nearestClassLogits(z, embedding.matrix(weights)))
  return {
    parameters: embedding.parameters,
    isStochastic: false,
    steps: () => Array.from({ length: inferenceSteps }, () => ({ a: 1 / inferenceSteps, b: 1, c: 0 })),
    direction: (weights, logits) => embedding.combine(weights, logits),
    estimate: (weights, { direction, z, timeLeft }) => nearest(weights, add(z, mul(direction, timeLeft))),
    decode: nearest,
  }
}

const logistic = (x: number) => 1 / (1 + Math.exp(-x))

function posteriorSteps(weights: HostTensors, steps: number): ChainCoefficients[] {
  const { gamma } = hostSchedule(weights)
  const alphaBar = Array.from({ length: steps + 1 }, (_, i) => logistic(-gamma(i / steps)))
  return alphaBar.slice(1).map((current, i) => chainCoefficients(alphaBar[i]!, current))
}

function probabilityFlowSteps(weights: HostTensors, steps: number): ChainCoefficients[] {
  const { gamma, gammaSlope } = hostSchedule(weights)
  return Array.from({ length: steps }, (_, i) => {
    const alphaBar = logistic(-gamma(i / steps))
    const rate = -gammaSlope(i / steps) / (2 * steps)
    return { a: rate * Math.sqrt(alphaBar), b: 1 - rate * alphaBar, c: 0 }
  })
}
