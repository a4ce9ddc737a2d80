import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import { expectAllClose } from '../../test/expect-close.ts'
import type { ModelConfig } from '../model.ts'
import { adamInputs, adamStep, optimizerPrefix, servedWeights } from './adam.ts'
import { learningRateAt } from './learning-rate.ts'

type Config = Pick<ModelConfig, 'optimizer' | 'weightDecay' | 'emaDecay'>

interface Options {
  readonly learningRate: number
  readonly weightDecay: number
  readonly optimizer?: Config['optimizer']
  readonly emaDecay?: number
}

const configOf = ({ weightDecay, optimizer = 'adamw', emaDecay = 0 }: Options): Config => ({ weightDecay, optimizer, emaDecay })

function scalarInputs(options: Options, step: number): tf.NamedTensorMap {
  const inputs = adamInputs(configOf(options), { step, learningRate: options.learningRate })
  return Object.fromEntries(Object.entries(inputs).map(([name, [value]]) => [name, tf.scalar(value!)]))
}

/** Runs steps of adamStep on one weight vector. */
function optimize(weight: number[], gradients: number[][], options: Options) {
  return tf.tidy(() => {
    let state: tf.NamedTensorMap = {
      w: tf.tensor1d(weight),
      [`${optimizerPrefix.m}w`]: tf.zeros([weight.length]),
      [`${optimizerPrefix.v}w`]: tf.zeros([weight.length]),
      ...(options.emaDecay ? { [`${optimizerPrefix.average}w`]: tf.tensor1d(weight) } : {}),
    }
    const history = gradients.map((gradient, step) => {
      const inputs = scalarInputs(options, step)
      const result = adamStep(state, ['w'], { w: tf.tensor1d(gradient) }, { config: configOf(options), inputs })
      state = result.state
      const read = (tensor: tf.Tensor) => Array.from(tensor.dataSync())
      return {
        weight: read(state['w']!),
        average: options.emaDecay ? read(state[`${optimizerPrefix.average}w`]!) : [],
        gradientNorm: read(result.gradientNorm)[0]!,
        updateRatio: read(result.updateRatio)[0]!,
      }
    })
    return history
  })
}

/** Adam or AdamW as PyTorch's documentation writes it, in double precision. */
function referenceAdam(weight: number[], gradients: number[][], { learningRate, weightDecay, optimizer }: Options): number[][] {
  const isDecoupled = optimizer !== 'adam'
  const w = [...weight]
  const m = weight.map(() => 0)
  const v = weight.map(() => 0)
  return gradients.map((gradient, step) => {
    gradient.forEach((ofLoss, i) => {
      const g = isDecoupled ? ofLoss : ofLoss + weightDecay * w[i]!
      if (isDecoupled) w[i]! -= learningRate * weightDecay * w[i]!
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

  it.each(['adamw', 'adam'] as const)('follows the published algorithm of %s for a hundred steps', (optimizer) => {
    const weight = [0.3, -1.2, 1e-3, 0]
    const gradients = Array.from({ length: 100 }, (_, step) => weight.map((_, i) => Math.sin(step * (i + 1)) * 10 ** (-i * 2)))
    const options = { learningRate: 2e-3, weightDecay: 1e-2, optimizer }
    const history = optimize(weight, gradients, options)
    referenceAdam(weight, gradients, options).forEach((expected, step) => {
      expectAllClose(history[step]!.weight, expected, { relative: 2e-5, absolute: 2e-6 })
    })
  })

  it.each([
    ['adamw', [1.9, -3.8]],
    ['adam', [2, -4]],
  ] as const)('only decays a weight without a gradient with adamw: %s', (optimizer, expected) => {
    tf.tidy(() => {
      const moments = (name: string) => ({ [optimizerPrefix.m + name]: tf.zeros([2]), [optimizerPrefix.v + name]: tf.zeros([2]) })
      const state = { w: tf.tensor1d([2, -4]), u: tf.tensor1d([1, 1]), ...moments('w'), ...moments('u') }
      const options = { learningRate: 0.5, weightDecay: 0.1, optimizer }
      const gradients = { u: tf.tensor1d([3, 4]) }
      const result = adamStep(state, ['w', 'u'], gradients, { config: configOf(options), inputs: scalarInputs(options, 0) })
      expectAllClose((result.state['w'] ?? state.w).dataSync(), [...expected])
      expect(Object.keys({ ...result.state, w: 0 }).sort()).toEqual(['optimizer.m/u', 'optimizer.v/u', 'u', 'w'])
      expect(result.gradientNorm.dataSync()[0]).toBeCloseTo(5, 5)
    })
  })

  it('reports the norm of the gradient and the size of the update against the weights', () => {
    const [first] = optimize([3, 4], [[6, -8]], { learningRate: 0.1, weightDecay: 0 })
    expect(first!.gradientNorm).toBeCloseTo(10, 5)
    expect(first!.updateRatio).toBeCloseTo(Math.hypot(0.1, 0.1) / 5, 6)
  })
})

describe('the moving average of the weights', () => {
  it('follows them at its rate, faster in the first steps', () => {
    const gradients = Array.from({ length: 40 }, (_, step) => [Math.cos(step)])
    const history = optimize([1], gradients, { learningRate: 0.05, weightDecay: 0, emaDecay: 0.6 })
    let average = 1
    history.forEach(({ weight, average: found }, step) => {
      const decay = Math.min(0.6, (1 + step) / (10 + step))
      average = decay * average + (1 - decay) * weight[0]!
      expect(found[0]).toBeCloseTo(average, 5)
    })
    expect(history[39]!.average[0]).not.toBeCloseTo(history[39]!.weight[0]!, 3)
  })

  it('predicts in place of the weights, and nothing else of the optimizer does', () => {
    const one = Float32Array.of(1)
    const two = Float32Array.of(2)
    expect(servedWeights({ w: one, 'optimizer.m/w': two, 'optimizer.v/w': two, 'average/w': two, 'batchNorm/n.mean': one })).toEqual({
      w: two,
      'batchNorm/n.mean': one,
    })
    expect(servedWeights({ w: one, 'optimizer.m/w': two, 'optimizer.v/w': two })).toEqual({ w: one })
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
