/** @file The class embeddings W: row y is the clean latent u_y that the blocks learn to recover. */

import type { NamedTensorMap, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core'
import type { ParameterSpec } from '../block/parameters.ts'

export interface LabelEmbedding {
  /** d, the length of a latent */
  readonly dimension: number
  /** W, where it is trained; none where it is fixed */
  readonly parameters: readonly ParameterSpec[]
  /** W, [numClasses, dimension] */
  matrix(weights: NamedTensorMap): Tensor2D
  /** u_y for class indices [batch] (int32): [batch, dimension] */
  embed(weights: NamedTensorMap, labels: Tensor1D): Tensor2D
  /** û = p·W, the mean embedding under class probabilities (or other factors) [rows, numClasses]: [rows, dimension] */
  combine(weights: NamedTensorMap, probabilities: Tensor2D): Tensor2D
}
