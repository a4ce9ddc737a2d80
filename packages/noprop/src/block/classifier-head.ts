/** @file How the class is read from the last latent. */

import { add, matMul, mul, type NamedTensorMap, reshape, softmax, squaredDifference, sum, type Tensor2D } from '@tensorflow/tfjs-core'
import type { LabelEmbedding } from '../embedding/label-embedding.ts'
import type { ModelConfig } from '../model.ts'
import { dense, type ParameterSpec } from './parameters.ts'

/** p̂(y | z_T): the layer from which the paper reads the class. */
export interface ClassifierHead {
  readonly parameters: readonly ParameterSpec[]
  /**
   * Latents [rows, embeddingDim] → class logits [rows, numClasses].
   *
   * @param weights its own, and those of the embedding
   */
  logits(weights: NamedTensorMap, z: Tensor2D): Tensor2D
}

export function classifierHead(
  config: Pick<ModelConfig, 'head' | 'radialSigma' | 'numClasses'>,
  embedding: LabelEmbedding,
): ClassifierHead {
  const linear = linearHead(embedding.dimension, config.numClasses)
  return config.head === 'radial' ? radialHead(linear, embedding, config.radialSigma) : linear
}

/** p̂(y | z_T) = softmax(linear(z_T)). */
export function linearHead(embeddingDim: number, numClasses: number): ClassifierHead {
  return {
    parameters: dense('head', embeddingDim, numClasses),
    logits: (weights, z) => add(matMul(z, weights['head.kernel'] as Tensor2D), weights['head.bias']!),
  }
}

/**
 * The posterior of classes that radiate equal noise: ỹ = softmax(linear(z_T))·W [Eq. 15] and
 * p̂(y | z_T) ∝ exp(−‖ỹ − u_y‖² / (2σ²)) [Eq. 16].
 */
function radialHead(linear: ClassifierHead, embedding: LabelEmbedding, sigma: number): ClassifierHead {
  return {
    parameters: linear.parameters,
    logits(weights, z) {
      const estimate = embedding.combine(weights, softmax(linear.logits(weights, z)))
      return radialLogits(estimate, embedding.matrix(weights), sigma)
    },
  }
}

/** −‖x − u_y‖² / (2σ²) for every class: [rows, d] and W [numClasses, d] → [rows, numClasses]. */
function radialLogits(x: Tensor2D, matrix: Tensor2D, sigma: number): Tensor2D {
  const [rows, dimension] = x.shape
  const [numClasses] = matrix.shape
  // The difference itself: of long vectors that are close, its expansion ‖x‖² − 2x·u + ‖u‖² would leave rounding noise.
  const distances = sum(squaredDifference(reshape(x, [rows, 1, dimension]), reshape(matrix, [1, numClasses, dimension])), 2)
  return mul(distances, -1 / (2 * sigma ** 2)) as Tensor2D
}
