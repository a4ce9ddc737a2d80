/** @file The objective of NoProp-CT, Eq. 9. */

import { add, exp, mul, neg, reshape, type Scalar, softmax, sum, type Tensor1D } from '@tensorflow/tfjs-core'
import { accuracy } from '../loss/accuracy.ts'
import { crossEntropy } from '../loss/cross-entropy.ts'
import { squaredDistances } from '../loss/denoising-loss.ts'
import { latentScales, sampleLatent } from '../loss/latent.ts'
import { priorDivergence } from '../loss/prior-divergence.ts'
import { targetRows } from '../loss/targets.ts'
import { learnedSchedule, scheduleParameters } from '../schedule/learned-schedule.ts'
import type { ContinuousObjective } from './continuous-unit.ts'
import type { ContinuousParts } from './model-parts.ts'

/**
 * L = E[−log p̂(y | z_1)] + KL(q(z_0|y) ‖ N(0, I)) + ½·η·E[SNR′(t)·‖û(z_t, x, t) − u_y‖²], with z_t and z_1 from their marginals. [Eq. 9]
 *
 * Everything that learns has the gradient of the whole: the schedule of all three terms, an embedding through target, latents and mixed estimate.
 */
export function continuousTimeObjective(parts: ContinuousParts): ContinuousObjective {
  const { config, network, embedding, head } = parts
  return {
    name: 'continuous-time',
    parameters: [...network.imageParameters, ...network.stepParameters, ...head.parameters, ...embedding.parameters, ...scheduleParameters],
    draws: ['latent', 'last'],
    loss(state, { labels, times, noise, logits }) {
      const schedule = learnedSchedule(state)
      const labelEmbedding = embedding.embed(state, labels)
      const targets = targetRows(labels, config.numClasses, config.labelSmoothing)

      // 1. Decoding z_1
      const epsilon = noise('latent')
      const [draws, batch] = epsilon.shape
      const last = sampleLatent(labelEmbedding, noise('last'), latentScales(exp(neg(schedule.ends.clean))))
      const decoding = crossEntropy(head.logits(state, last), targets)

      // 2. z_0 against the prior
      const divergence = priorDivergence(labelEmbedding, exp(neg(schedule.ends.noisy)) as Tensor1D)

      // 3. Denoising z_t
      const snr = schedule.snr(times)
      const z = sampleLatent(labelEmbedding, epsilon, latentScales(reshape(snr.value, [draws, batch, 1])))
      const classLogits = logits(z)
      const target = config.labelSmoothing === 0 ? labelEmbedding : embedding.combine(state, targets)
      const errors = squaredDistances(embedding.combine(state, softmax(classLogits)), target)
      const weighted = mul(sum(mul(errors, reshape(snr.slope, [draws, batch]))), config.eta / 2 / (draws * batch))

      return {
        loss: add(add(decoding, divergence), weighted) as Scalar,
        others: {
          denoising_loss: mul(sum(errors), 1 / (draws * batch)),
          weighted_loss: weighted,
          cross_entropy: decoding,
          kl: divergence,
          accuracy: accuracy(classLogits, labels),
          gamma_0: reshape(schedule.ends.clean, []),
          gamma_1: reshape(schedule.ends.noisy, []),
        },
      }
    },
  }
}
