/**
 * @file The learned schedule of NoProp-CT: SNR(t) = e^{−γ(t)} with γ(t) = γ_0 + (γ_1 − γ_0)·(1 − γ̄(t)), where γ̄ rises from 0 to 1. Time runs from noise (t = 0)
 * to label (t = 1), so γ_1 is the noisy end. As TensorFlow.js ops for training, and in double precision on the host for the chain.
 *
 * What the paper leaves open is as in the code of Plaid (Gulrajani & Hashimoto, arXiv:2305.18619), which it cites: γ̃(t) = Σ_j softplus(w2_j)·tanh(softplus(w1_j)·(t − ½) + b1_j),
 * all drawn from N(0, 1), and γ_0 = −3, γ_1 = 6. Two differences. Plaid's factor of 0.01 on the second layer is left out: it cancels in γ̄ = (γ̃ − γ̃(0))/(γ̃(1) − γ̃(0)), and so in every
 * gradient. And γ_1 is learned as its distance from γ_0, through softplus, so that no step of the optimizer can turn the time round.
 */

import type { HostTensors } from '@noprop/engine'
import {
  add,
  div,
  exp,
  matMul,
  mul,
  type NamedTensorMap,
  neg,
  reshape,
  slice,
  softplus,
  sub,
  tanh,
  type Tensor,
  tensor1d,
  type Tensor1D,
  type Tensor2D,
} from '@tensorflow/tfjs-core'
import type { ParameterSpec } from '../block/parameters.ts'
import { fillNormal, purposes, streamKey } from '../random/counter-random.ts'

/** Hidden units: a rising function of one number needs few. Plaid has 1024, each of which every row of a batch would pass in every step. */
const width = 64
const initialEnds = { clean: -3, noisy: 6 } as const

const names = {
  slopes: 'schedule.dense1.slopes',
  shifts: 'schedule.dense1.shifts',
  heights: 'schedule.dense2.heights',
  clean: 'schedule.gamma0',
  gap: 'schedule.gap',
} as const

const drawn: ParameterSpec['initial'] = {
  fill: (values, { seed, block, index }) => fillNormal(values, streamKey(seed, purposes.initialWeights, block, index)),
}

/** The trained values behind a schedule; all are of rank 1. */
export const scheduleParameters: readonly ParameterSpec[] = [
  { name: names.slopes, shape: [width], initial: drawn },
  { name: names.shifts, shape: [width], initial: drawn },
  { name: names.heights, shape: [width], initial: drawn },
  { name: names.clean, shape: [1], initial: { value: initialEnds.clean } },
  { name: names.gap, shape: [1], initial: { value: inverseSoftplus(initialEnds.noisy - initialEnds.clean) } },
]

/** A schedule inside a program. */
export interface LearnedSchedule {
  /** γ at the clean end t = 1, and at the noisy end t = 0, [1] each */
  readonly ends: { readonly clean: Tensor1D; readonly noisy: Tensor1D }
  /** SNR(t) and its derivative SNR′(t) > 0, for times [n]. */
  snr(times: Tensor1D): { value: Tensor1D; slope: Tensor1D }
}

export function learnedSchedule(weights: NamedTensorMap): LearnedSchedule {
  const [slopes, heights] = [softplus(weights[names.slopes]!), softplus(weights[names.heights]!)]
  const gap = softplus(weights[names.gap] as Tensor1D)
  const clean = weights[names.clean] as Tensor1D

  /** γ̃ and its derivative, [n] each. */
  const rise = (times: Tensor1D) => {
    const total = (hidden: Tensor) => reshape(matMul(hidden as Tensor2D, reshape(heights, [width, 1])), [-1]) as Tensor1D
    const hidden = tanh(add(mul(sub(reshape(times, [-1, 1]), 0.5), slopes), weights[names.shifts]!))
    return { value: total(hidden), slope: total(mul(sub(1, mul(hidden, hidden)), slopes)) }
  }
  const riseAtEnds = rise(tensor1d([0, 1])).value
  const start = slice(riseAtEnds, 0, 1)
  const wholeRise = sub(slice(riseAtEnds, 1, 1), start)

  return {
    ends: { clean, noisy: add(clean, gap) },
    snr(times) {
      const { value, slope } = rise(times)
      const gamma = add(clean, mul(gap, sub(1, div(sub(value, start), wholeRise))))
      const snr = exp(neg(gamma)) as Tensor1D
      return { value: snr, slope: mul(mul(snr, gap), div(slope, wholeRise)) }
    },
  }
}

/** A schedule in double precision. */
export interface HostSchedule {
  /** γ(t) for t in [0, 1]; falls */
  gamma(t: number): number
  /** γ′(t), negative */
  gammaSlope(t: number): number
}

/** @param state weights under their names; others are ignored */
export function hostSchedule(state: HostTensors): HostSchedule {
  const read = (name: string) => Float64Array.from(state[name]!)
  const [slopes, heights] = [read(names.slopes).map(hostSoftplus), read(names.heights).map(hostSoftplus)]
  const shifts = read(names.shifts)
  const clean = read(names.clean)[0]!
  const gap = hostSoftplus(read(names.gap)[0]!)

  const rise = (t: number) => heights.reduce((sum, height, j) => sum + height * Math.tanh(slopes[j]! * (t - 0.5) + shifts[j]!), 0)
  const riseSlope = (t: number) =>
    heights.reduce((sum, height, j) => sum + height * slopes[j]! * (1 - Math.tanh(slopes[j]! * (t - 0.5) + shifts[j]!) ** 2), 0)
  const start = rise(0)
  const wholeRise = rise(1) - start

  return {
    gamma: (t) => clean + gap * (1 - (rise(t) - start) / wholeRise),
    gammaSlope: (t) => (-gap * riseSlope(t)) / wholeRise,
  }
}

function hostSoftplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
}

function inverseSoftplus(y: number): number {
  return y + Math.log(-Math.expm1(-y))
}
