import { add, mul, type Tensor } from '@tensorflow/tfjs-core'
import type { ChainCoefficients } from '../schedule/noise-schedule.ts'

/**
 * One step of the denoising chain: z_t = a_t·û(z_{t−1}, x) + b_t·z_{t−1} + √c_t·ε.  [Eq. 3; a, b, c below Eq. 6]
 *
 * @param estimate û, shape of zPrev
 * @param zPrev    z_{t−1}
 * @param noise    ε ~ N(0, I), or zeros for a noise-free chain
 */
export function chainStep<T extends Tensor>(estimate: T, zPrev: T, noise: T, { a, b, c }: ChainCoefficients): T {
  return add(add(mul(estimate, a), mul(zPrev, b)), mul(noise, Math.sqrt(c)))
}
