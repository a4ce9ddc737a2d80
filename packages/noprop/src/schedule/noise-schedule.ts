/** @file What the discrete-time method needs of a noise schedule, derived from ᾱ alone. Time runs from noise (t = 0) to label (t = T). */

import { TimestepOutOfRangeError } from '../errors.ts'

/** Coefficients of Eq. 3: z_t = a·û + b·z_{t−1} + √c·ε. `c` is a variance. */
export interface ChainCoefficients {
  readonly a: number
  readonly b: number
  readonly c: number
}

/** A fixed schedule over the timesteps 0…T. */
export interface NoiseSchedule {
  /** T */
  readonly numTimesteps: number
  /** ᾱ_t, length T+1, indexed by t; rises from noise to label */
  readonly alphaBar: Float64Array
  /** α_t with ᾱ_t = ∏_{s=t}^T α_s, length T+1, indexed by t */
  readonly alpha: Float64Array
  /** SNR(t) = ᾱ_t / (1 − ᾱ_t), length T+1, indexed by t (a ratio of variances, not of amplitudes) */
  readonly snr: Float64Array
  /** SNR(t) − SNR(t−1), positive: the weight of block t in the loss. @throws {TimestepOutOfRangeError} t is outside 1…T */
  snrGain(t: number): number
  /** Coefficients of the step from z_{t−1} to z_t. @throws {TimestepOutOfRangeError} t is outside 1…T */
  chainCoefficients(t: number): ChainCoefficients
}

/** Coefficients of a step between two levels of noise, by ᾱ before and after it: Eq. 3 in terms of ᾱ alone, with α_{t−1} = previous/current. */
export function chainCoefficients(previous: number, current: number): ChainCoefficients {
  return {
    a: (current - previous) / (Math.sqrt(current) * (1 - previous)),
    b: (Math.sqrt(previous / current) * (1 - current)) / (1 - previous),
    c: ((1 - current) * (current - previous)) / (current * (1 - previous)),
  }
}

/** Builds the schedule from ᾱ_0 … ᾱ_T, which must rise within [0, 1). */
export function noiseSchedule(alphaBar: Float64Array): NoiseSchedule {
  const numTimesteps = alphaBar.length - 1
  const alpha = alphaBar.map((value, t) => (t === numTimesteps ? value : value / alphaBar[t + 1]!))
  const snr = alphaBar.map((value) => value / (1 - value))

  function requireBlock(t: number) {
    if (!Number.isInteger(t) || t < 1 || t > numTimesteps) throw new TimestepOutOfRangeError(t, 1, numTimesteps)
  }

  return {
    numTimesteps,
    alphaBar,
    alpha,
    snr,
    snrGain(t) {
      requireBlock(t)
      return snr[t]! - snr[t - 1]!
    },
    chainCoefficients(t) {
      requireBlock(t)
      return chainCoefficients(alphaBar[t - 1]!, alphaBar[t]!)
    },
  }
}
