/** @file The fixed cosine schedule of NoProp-DT. The paper gives only its name; this reading has T+1 noising steps, as its T+1 alphas imply. */

import { type NoiseSchedule, noiseSchedule } from './noise-schedule.ts'

/** Offset of Nichol & Dhariwal (arXiv:2102.09672), which keeps the last step from being too small. */
const offset = 0.008

function squaredCosine(u: number): number {
  return Math.cos(((u + offset) / (1 + offset)) * (Math.PI / 2)) ** 2
}

/**
 * ᾱ_t = f((T+1−t)/(T+1)) / f(0) with f(u) = cos²((u + 0.008)/1.008 · π/2).
 * ᾱ_0 is exactly 0, so z_0 ~ N(0, I) and the KL term of Eq. 8 is 0; ᾱ_T < 1, so SNR(T) is finite without clipping.
 */
export function cosineSchedule(numTimesteps: number): NoiseSchedule {
  const steps = numTimesteps + 1
  const alphaBar = Float64Array.from({ length: steps }, (_, t) => (t === 0 ? 0 : squaredCosine((steps - t) / steps) / squaredCosine(0)))
  return noiseSchedule(alphaBar)
}
