import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import { expectAllClose } from '../../test/expect-close.ts'
import { adamwScalars, adamwStep, optimizerPrefix } from './adamw.ts'
import { learningRateAt } from './learning-rate.ts'

interface Options {
  readonly learningRate: number
  readonly weightDecay: number
}

/** Runs steps of adamwStep on one weight vector. */
function optimize(weight: number[], gradients: number[][], options: Options) {
  return tf.tidy(() => {
    let state: tf.NamedTensorMap = {
      w: tf.tensor1d(weight),
      [`${optimizerPrefix.m}w`]: tf.zeros([weight.length]),
      [`${optimizerPrefix.v}w`]: tf.zeros([weight.length]),
    }
    const history = gradients.map((gradient, step) => {
      const { stepSize, denominatorOffset, decay } = adamwScalars({ step, ...options })
      const inputs = { stepSize: tf.scalar(stepSize), denominatorOffset: tf.scalar(denominatorOffset), decay: tf.scalar(decay) }
      const result = adamwStep(state, ['w'], { w: tf.tensor1d(gradient) }, inputs)
      state = result.state
      const read = (tensor: tf.Tensor) => Array.from(tensor.dataSync())
      return { weight: read(state['w']!), gradientNorm: read(result.gradientNorm)[0]!, updateRatio: read(result.updateRatio)[0]! }
    })
    return history
  })
}

/** AdamW as PyTorch's documentation writes it, in double precision. */
function referenceAdamw(weight: number[], gradients: number[][], { learningRate, weightDecay }: Options): number[][] {
  const w = [...weight]
  const m = weight.map(() => 0)
  const v = weight.map(() => 0)
  return gradients.map((gradient, step) => {
    gradient.forEach((g, i) => {
      w[i]! -= learningRate * weightDecay * w[i]!
      m[i] = 0.9 * m[i]! + 0.1 * g
      v[i] = 0.999 * v[i]! + 0.001 * g * g
      const mHat = m[i]! / (1 - 0.9 ** (step + 1))
      const vHat = v[i]! / (1 - 0.999 ** (step + 1))
      w[i]! -= (learningRate * mHat) / (Math.sqrt(vHat) + 1e-8)
    })
    return [...w]
  })
}

describe('AdamW', () => {
  it('makes the two steps worked out by hand', () => {
    // Step 1: m̂ = g, √v̂ = |g|, so w = 1 − 0.1·0.01·1 − 0.1 = 0.899.
    // Step 2: m̂ = 0.02/0.19, v̂ = 0.00031225/0.001999, so w = 0.899·(1 − 0.001) − 0.1·0.105263/0.395225 = 0.871467.
    const history = optimize([1], [[0.5], [-0.25]], { learningRate: 0.1, weightDecay: 0.01 })
    expect(history[0]!.weight[0]).toBeCloseTo(0.899, 6)
    expect(history[1]!.weight[0]).toBeCloseTo(0.871467, 5)
  })

  it('follows the published algorithm for a hundred steps', () => {
    const weight = [0.3, -1.2, 1e-3, 0]
    const gradients = Array.from({ length: 100 }, (_, step) => weight.map((_, i) => Math.sin(step * (i + 1)) * 10 ** (-i * 2)))
    const options = { learningRate: 2e-3, weightDecay: 1e-2 }
    const history = optimize(weight, gradients, options)
    referenceAdamw(weight, gradients, options).forEach((expected, step) => {
      expectAllClose(history[step]!.weight, expected, { relative: 2e-5, absolute: 2e-6 })
    })
  })

  it('only decays a weight without a gradient', () => {
    tf.tidy(() => {
      const moments = (name: string) => ({ [optimizerPrefix.m + name]: tf.zeros([2]), [optimizerPrefix.v + name]: tf.zeros([2]) })
      const state = { w: tf.tensor1d([2, -4]), u: tf.tensor1d([1, 1]), ...moments('w'), ...moments('u') }
      const { stepSize, denominatorOffset, decay } = adamwScalars({ step: 0, learningRate: 0.5, weightDecay: 0.1 })
      const inputs = { stepSize: tf.scalar(stepSize), denominatorOffset: tf.scalar(denominatorOffset), decay: tf.scalar(decay) }
      const { state: next, gradientNorm } = adamwStep(state, ['w', 'u'], { u: tf.tensor1d([3, 4]) }, inputs)
      expectAllClose(next['w']!.dataSync(), [1.9, -3.8])
      expect(Object.keys(next).sort()).toEqual(['optimizer.m/u', 'optimizer.v/u', 'u', 'w'])
      expect(gradientNorm.dataSync()[0]).toBeCloseTo(5, 5)
    })
  })

  it('reports the norm of the gradient and the size of the update against the weights', () => {
    const [first] = optimize([3, 4], [[6, -8]], { learningRate: 0.1, weightDecay: 0 })
    expect(first!.gradientNorm).toBeCloseTo(10, 5)
    expect(first!.updateRatio).toBeCloseTo(Math.hypot(0.1, 0.1) / 5, 6)
  })
})

describe('the learning rate', () => {
  it('stays where it is when constant', () => {
    for (const step of [0, 5, 9]) expect(learningRateAt({ schedule: 'constant', base: 1e-3, step, totalSteps: 10 })).toBe(1e-3)
  })

  it('falls from its base along half a cosine to 0', () => {
    const at = (step: number) => learningRateAt({ schedule: 'cosine', base: 2e-3, step, totalSteps: 100 })
    expect(at(0)).toBe(2e-3)
    expect(at(50)).toBeCloseTo(1e-3, 12)
    expect(at(99)).toBeGreaterThan(0)
    expect(at(100)).toBeCloseTo(0, 12)
    for (let step = 1; step <= 100; step++) expect(at(step)).toBeLessThan(at(step - 1))
  })
})
