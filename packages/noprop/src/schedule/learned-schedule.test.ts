import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectAllClose } from '../../test/expect-close.ts'
import { initialWeights } from '../block/parameters.ts'
import { differentiate } from '../train/differentiate.ts'
import { hostSchedule, learnedSchedule, scheduleParameters } from './learned-schedule.ts'

type Weights = Record<string, Float32Array>

const initial = (seed: number): Weights => initialWeights(scheduleParameters, seed, 1)

/** Any values, as far from the first ones as training might bring them. */
const anyWeights = fc
  .record({
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    spread: fc.double({ min: 0.1, max: 3, noNaN: true }),
    clean: fc.double({ min: -8, max: 2, noNaN: true }),
    gap: fc.double({ min: -3, max: 15, noNaN: true }),
  })
  .map(({ seed, spread, clean, gap }): Weights => {
    const weights = initial(seed)
    for (const name of Object.keys(weights)) weights[name] = weights[name]!.map((value) => value * spread)
    return { ...weights, 'schedule.gamma0': Float32Array.of(clean), 'schedule.gap': Float32Array.of(gap) }
  })

const times = Float32Array.from({ length: 41 }, (_, i) => i / 40)

function toTensors(weights: Weights) {
  return Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, tf.tensor1d(values)]))
}

/** What the ops give, as numbers. */
function inProgram(weights: Weights) {
  return tf.tidy(() => {
    const { ends, snr } = learnedSchedule(toTensors(weights))
    const { value, slope } = snr(tf.tensor1d(times))
    const read = (tensor: tf.Tensor) => Array.from(tensor.dataSync())
    return { snr: read(value), slope: read(slope), clean: read(ends.clean)[0]!, noisy: read(ends.noisy)[0]! }
  })
}

describe('the learned schedule', () => {
  it('begins at γ_1 = 6, the noisy end, and ends at γ_0 = −3', () => {
    const { clean, noisy } = inProgram(initial(1))
    const { gamma } = hostSchedule(initial(1))
    expectAllClose([clean, noisy, gamma(1), gamma(0)], [-3, 6, -3, 6])
  })

  it('turns more and more of a latent from noise to label, whatever its weights are', () => {
    fc.assert(
      fc.property(anyWeights, (weights) => {
        const { gamma, gammaSlope } = hostSchedule(weights)
        const values = Array.from(times, (t) => gamma(t))
        for (let i = 1; i < values.length; i++) expect(values[i]!).toBeLessThan(values[i - 1]!)
        for (const t of times) expect(gammaSlope(t)).toBeLessThan(0)
        const { snr, slope, clean, noisy } = inProgram(weights)
        expect(clean).toBeLessThan(noisy)
        expect(Math.min(...slope)).toBeGreaterThan(0)
        expect(snr).toEqual([...snr].sort((left, right) => left - right))
      }),
    )
  })

  it('has the derivative that its values have', () => {
    fc.assert(
      fc.property(anyWeights, fc.double({ min: 0.001, max: 0.999, noNaN: true }), (weights, t) => {
        const { gamma, gammaSlope } = hostSchedule(weights)
        const h = 1e-4
        expect((gamma(t + h) - gamma(t - h)) / (2 * h) / gammaSlope(t)).toBeCloseTo(1, 4)
      }),
    )
  })

  it('is the same in a program as on the host, SNR and its derivative', () => {
    fc.assert(
      fc.property(anyWeights, (weights) => {
        const { gamma, gammaSlope } = hostSchedule(weights)
        const { snr, slope } = inProgram(weights)
        const expected = Array.from(times, (t) => Math.exp(-gamma(t)))
        expectAllClose(snr, expected, { relative: 1e-4 })
        expectAllClose(
          slope,
          Array.from(times, (t, i) => -gammaSlope(t) * expected[i]!),
          { relative: 1e-3 },
        )
      }),
    )
  })

  it('has a gradient of SNR′ that agrees with finite differences in every weight tensor', () => {
    // Times apart from 0 and 1, where the ends alone decide.
    const probe = [0.1, 0.4, 0.9]
    const objective = (tensors: tf.NamedTensorMap) => {
      const { value, slope } = learnedSchedule(tensors).snr(tf.tensor1d(probe))
      return tf.add(tf.sum(slope), tf.sum(tf.mul(value, value))) as tf.Scalar
    }
    /** The same in double precision. */
    const onHost = (weights: Record<string, Float64Array>) => {
      const { gamma, gammaSlope } = hostSchedule(weights as never)
      return probe.reduce((sum, t) => sum - gammaSlope(t) * Math.exp(-gamma(t)) + Math.exp(-2 * gamma(t)), 0)
    }
    const weights = initial(5)
    const gradients = tf.tidy(() => {
      const tensors = toTensors(weights)
      const found = differentiate(tensors, Object.keys(weights), () => ({ loss: objective(tensors), others: {} })).gradients
      return Object.fromEntries(Object.entries(found).map(([name, tensor]) => [name, Array.from(tensor.dataSync())]))
    })
    for (const [name, gradient] of Object.entries(gradients)) {
      const numeric = gradient.map((_, i) => {
        const moved = (by: number) => {
          const copy = Object.fromEntries(Object.entries(weights).map(([key, values]) => [key, Float64Array.from(values)]))
          copy[name]![i]! += by
          return onHost(copy)
        }
        return (moved(1e-4) - moved(-1e-4)) / 2e-4
      })
      const scale = Math.max(...numeric.map(Math.abs))
      expect(scale, name).toBeGreaterThan(0)
      expectAllClose(gradient, numeric, { absolute: 1e-3 * scale, relative: 1e-3 })
    }
    expect(Object.keys(gradients).length).toBe(scheduleParameters.length)
  })
})
