/** @file What a block of the forward-forward algorithm learns to make high for images with their label, and low for images with another one. */

import {
  add,
  div,
  mul,
  reshape,
  type Scalar,
  softplus,
  sqrt,
  square,
  sub,
  sum,
  type Tensor1D,
  type Tensor2D,
  tensor2d,
} from '@tensorflow/tfjs-core'

/**
 * θ, the goodness that is as likely as not to be that of an image with its label. Measured on the first 2000 test images of MNIST after 150 mini-batches
 * (T = 3, channels 16-32-64, four wrong labels for each image): 96.8 % with 1, 96.4 % with 2, 94.5 % with 5.
 */
export const threshold = 2

/** Mean square of the activities: [rows, n] → [rows]. */
export function goodness(hidden: Tensor2D): Tensor1D {
  return mul(sum(square(hidden), 1), 1 / hidden.shape[1]) as Tensor1D
}

/** Added to the mean square, so that where next to no unit is active, what is left is not blown up with its rounding noise. */
const smallGoodness = 1e-4

/** The activities at length √n, so that the next block sees their direction and not their goodness. */
export function normalizeLength(hidden: Tensor2D): Tensor2D {
  return div(hidden, sqrt(add(reshape(goodness(hidden), [-1, 1]), smallGoodness)))
}

/**
 * Mean over the batch of softplus(θ − goodness) of the images with their label, plus that of softplus(goodness − θ) of those with another one.
 *
 * @param goodnesses [1 + negatives, batch], the first row with the right labels
 */
export function goodnessLoss(goodnesses: Tensor2D): Scalar {
  const [rows, batch] = goodnesses.shape
  const isPositive = Array.from({ length: rows }, (_, row) => row === 0)
  const signs = tensor2d(
    isPositive.map((positive) => (positive ? 1 : -1)),
    [rows, 1],
  )
  const shares = tensor2d(
    isPositive.map((positive) => 1 / (batch * (positive ? 1 : rows - 1))),
    [rows, 1],
  )
  return sum(mul(softplus(mul(sub(threshold, goodnesses), signs)), shares))
}
