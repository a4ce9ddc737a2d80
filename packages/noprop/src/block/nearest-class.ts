/** @file How NoProp-FM reads a class: the class whose embedding is nearest. */

import { div, matMul, mean, mul, sub, sum, square, type Tensor2D } from '@tensorflow/tfjs-core'

/** Probability of the right class, at one of m embeddings that are equally far apart. */
const certainty = 0.99

/**
 * Class logits −‖x − u_y‖²/(2σ²), but for a number that is the same for every class: the largest is that of the nearest embedding, which is the paper's decoding.
 *
 * The paper has no probabilities here; their σ is ours. It is chosen so that x at an embedding has a probability of 99 % for that class, were all of them as far
 * apart as they are in the mean: 2σ² = D²/ln(99·(m − 1)) with the mean squared distance D² = 2/(m−1)·Σ_y ‖u_y − ū‖². So it follows the scale of W.
 *
 * @param x      [rows, embeddingDim]
 * @param matrix W, [numClasses, embeddingDim]
 * @returns      [rows, numClasses]
 */
export function nearestClassLogits(x: Tensor2D, matrix: Tensor2D): Tensor2D {
  const [numClasses] = matrix.shape
  const center = mean(matrix, 0)
  // About the centre, where the numbers are smallest, ‖x − u‖² = ‖x‖² − 2·x·u + ‖u‖², of which the first is the same for every class.
  const centered = sub(matrix, center) as Tensor2D
  const squaredNorms = sum(square(centered), 1)
  const products = matMul(sub(x, center) as Tensor2D, centered, false, true)
  const precision = div(Math.log((certainty / (1 - certainty)) * (numClasses - 1)) * (numClasses - 1), sum(squaredNorms))
  return mul(sub(products, mul(squaredNorms, 0.5)), precision)
}
