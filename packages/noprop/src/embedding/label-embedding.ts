/** @file The class embeddings W: row y is the clean latent u_y that the blocks learn to recover. */

import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core'

export interface LabelEmbedding {
  /** d, the length of a latent */
  readonly dimension: number
  /** u_y for class indices [batch] (int32): [batch, dimension] */
  embed(labels: Tensor1D): Tensor2D
  /** û = p·W, the mean embedding under class probabilities [batch, numClasses]: [batch, dimension] */
  combine(probabilities: Tensor2D): Tensor2D
}
