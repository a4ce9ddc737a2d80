import { add, mul, type NamedTensorMap, sub, tanh, type Tensor2D } from '@tensorflow/tfjs-core'
import { blockPrefix } from '../block/block-names.ts'
import type { ParameterSpec } from '../block/parameters.ts'

const mixName = (t: number) => `${blockPrefix(t)}mix`

/**
 * w_1 … w_T. The paper does not say where they begin; here at α_t = 1/(t + 1), so that every latent is the mean of z_0 and the estimates before it, and every
 * block has the same share in z_T.
 */
export function mixParameters(blocks: number): ParameterSpec[] {
  return Array.from({ length: blocks }, (_, i) => ({ name: mixName(i + 1), shape: [1], initial: { value: Math.atanh(1 / (i + 2)) } }))
}

/**
 * z_t = (1 − α_t)·z_{t−1} + α_t·û_t(z_{t−1}, x) with a learnable α_t = tanh(w_t).  [Eqs. 17–19]
 *
 * @param weights with those of `mixParameters`
 */
export function mixEstimate(weights: NamedTensorMap, t: number, zPrev: Tensor2D, estimate: Tensor2D): Tensor2D {
  return add(zPrev, mul(tanh(weights[mixName(t)]!), sub(estimate, zPrev)))
}
