import { add, mul, softmax } from '@tensorflow/tfjs-core'
import type { ContinuousSampler } from '../chain/continuous-sampler.ts'
import type { ContinuousParts } from '../train/model-parts.ts'

/** The Euler steps of the training. What a step would lead to, if the slope stayed as it is, is its estimate of z_1; the head reads it as it reads z_1. */
export function adjointSampler({ config, embedding, head }: ContinuousParts): ContinuousSampler {
  const { inferenceSteps } = config
  return {
    parameters: [...head.parameters, ...embedding.parameters],
    isStochastic: false,
    steps: () => Array.from({ length: inferenceSteps }, () => ({ a: 1 / inferenceSteps, b: 1, c: 0 })),
    direction: (weights, logits) => embedding.combine(weights, logits),
    estimate: (weights, { direction, z, timeLeft }) => softmax(head.logits(weights, add(z, mul(direction, timeLeft)))),
    decode: (weights, z) => softmax(head.logits(weights, z)),
  }
}
