/** @file The objective of NoProp-FM, Eqs. 10–13. */

import { add, mul, reshape, type Scalar, sub, sum, type Tensor1D, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core'
import { nearestClassLogits } from '../block/nearest-class.ts'
import { accuracy } from '../loss/accuracy.ts'
import { crossEntropy } from '../loss/cross-entropy.ts'
import { squaredDistances } from '../loss/denoising-loss.ts'
import { targetRows } from '../loss/targets.ts'
import type { ContinuousObjective } from './continuous-unit.ts'
import type { ContinuousParts } from './model-parts.ts'

/**
 * L = E‖v(z_t, x, t) − (z_1 − z_0)‖² with z_0 ~ N(0, I), z_1 = u_y and z_t ~ N(t·z_1 + (1 − t)·z_0, σ²·I). [Eqs. 10–12]
 * Where W is trained, there is added −log p̂(y | z̃_1) with z̃_1 = z_t + (1 − t)·v, without which equal embeddings would be best. [Eq. 13]
 */
export function flowMatchingObjective(parts: ContinuousParts): ContinuousObjective {
  const { config, network, embedding, head } = parts
  const isTrained = embedding.parameters.length > 0
  return {
    name: 'flow-matching',
    // The head serves the second term alone: the class is read without it.
    parameters: [
      ...network.imageParameters,
      ...network.stepParameters,
      ...(isTrained ? [...head.parameters, ...embedding.parameters] : []),
    ],
    draws: config.fmSigma > 0 ? ['start', 'path'] : ['start'],
    loss(state, { labels, times, noise, logits }) {
      const start = noise('start')
      const [draws, batch, dimension] = start.shape
      const labelEmbedding = embedding.embed(state, labels)
      const targets = targetRows(labels, config.numClasses, config.labelSmoothing)
      const timeLeft = sub(1, times) as Tensor1D
      const perLatent = (values: Tensor1D) => reshape(values, [draws, batch, 1])

      const mean = add(mul(labelEmbedding, perLatent(times)), mul(start, perLatent(timeLeft))) as Tensor3D
      const path = config.fmSigma > 0 ? add(mean, mul(noise('path'), config.fmSigma)) : mean
      const z = reshape(path, [-1, dimension]) as Tensor2D
      const velocity = embedding.combine(state, logits(z))
      const target = config.labelSmoothing === 0 ? labelEmbedding : embedding.combine(state, targets)
      const flow = mul(sum(squaredDistances(velocity, sub(target, start))), 1 / (draws * batch)) as Scalar

      const end = add(z, mul(velocity, reshape(timeLeft, [-1, 1]))) as Tensor2D
      const metrics = {
        denoising_loss: flow,
        weighted_loss: flow,
        accuracy: accuracy(nearestClassLogits(end, embedding.matrix(state)), labels),
      }
      if (!isTrained) return { loss: flow, others: metrics }
      const decoding = crossEntropy(head.logits(state, end), targets)
      return { loss: add(flow, decoding) as Scalar, others: { ...metrics, cross_entropy: decoding } }
    },
  }
}
