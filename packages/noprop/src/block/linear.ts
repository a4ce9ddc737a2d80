/** @file Linear layers, and how rows that belong to the same image are added. */

import { add, matMul, type NamedTensorMap, reshape, type Tensor2D } from '@tensorflow/tfjs-core'

/** x·kernel */
export function product(x: Tensor2D, weights: NamedTensorMap, kernel: string): Tensor2D {
  return matMul(x, weights[kernel] as Tensor2D)
}

/** A fully connected layer: x·kernel + bias. */
export function linear(x: Tensor2D, weights: NamedTensorMap, layer: string): Tensor2D {
  return add(product(x, weights, `${layer}.kernel`), weights[`${layer}.bias`]!)
}

/** Rows of x [draws·batch, n] plus the row of y [batch, n] of the same image. */
export function addToEveryDraw(x: Tensor2D, y: Tensor2D): Tensor2D {
  const [batch, n] = y.shape
  return reshape(add(reshape(x, [-1, batch, n]), y), [-1, n])
}
