/** @file Dropout with masks from the host. */

import { customGrad, type GradSaveFunc, mul, relu, step, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core'

/** A layer of an image path that dropout follows; `shape` is that of the activations of one image (or latent). */
export interface DropoutLayer {
  readonly name: string
  readonly shape: readonly number[]
  /** it sees latents, of which there is one for every noise draw, and not images */
  readonly perDraw?: boolean
}

/** Rates are multiples of 1/65536, which is what one 16-bit lane of the generator resolves. */
export function dropoutThreshold(rate: number): number {
  return Math.round(rate * 65536)
}

/** 1/(1 − rate) for the rate that the masks really have. */
export function dropoutScale(rate: number): number {
  return 65536 / (65536 - dropoutThreshold(rate))
}

/**
 * relu(x)·mask, for a mask of 0 and 1. Where the result is positive its slope is 1, elsewhere 0, so the gradient needs the result alone: one pass over
 * the largest tensors of the step instead of two.
 */
export function maskedRelu(x: Tensor4D, mask: Tensor4D): Tensor4D {
  const apply = customGrad((...inputs: unknown[]) => {
    const [input, save] = inputs as [Tensor4D, GradSaveFunc]
    const value = mul(relu(input), mask)
    save([value])
    return { value, gradFunc: (dy: Tensor, saved: Tensor[]) => mul(dy, step(saved[0]!)) }
  })
  return apply(x) as Tensor4D
}
