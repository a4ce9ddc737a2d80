/** Inference in continuous time: two programs, one of which is run again and again. */

import type { HostTensors } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import { linearHead } from '../src/block/classifier-head.ts'
import { initialWeights } from '../src/block/parameters.ts'
import { frozenMode } from '../src/block/block-mode.ts'
import { timeConditionedNetwork } from '../src/block/time-conditioned-network.ts'
import { fillTimeEmbeddings } from '../src/block/time-embedding.ts'
import { drawChainNoise } from '../src/chain/chain-noise.ts'
import { continuousChain } from '../src/chain/continuous-chain.ts'
import { continuousTimeSampler, flowMatchingSampler } from '../src/chain/continuous-sampler.ts'
import { oneHotEmbedding } from '../src/embedding/one-hot.ts'
import { buildModel, type ChainResult, ModelConfigError, ShapeError } from '../src/index.ts'
import { learnedSchedule, hostSchedule, scheduleParameters } from '../src/schedule/learned-schedule.ts'
import type { ContinuousParts } from '../src/train/model-parts.ts'
import { expectAllClose } from './expect-close.ts'
import { type Call, runChain, runProgram, stepAt, syntheticBatch, tinyConfig, toTensors } from './run-program.ts'

const base = { ...tinyConfig, optimizer: 'adam', eta: 1, dropout: 0 } as const
const variants = [
  ['noprop-ct', 'eq3', 'one-hot'],
  ['noprop-ct', 'eq3', 'learned'],
  ['noprop-ct', 'eq3', 'prototype'],
  ['noprop-ct', 'ode', 'one-hot'],
  ['noprop-fm', 'eq3', 'one-hot'],
  ['noprop-fm', 'eq3', 'learned'],
  ['noprop-fm', 'eq3', 'prototype'],
] as const

const { numClasses } = base
const images = syntheticBatch(base, 4).images
const imageSize = images.length / 4
const keys = [10, 11, 12, 13]

describe.each(variants)('the chain of %s with sampler %s and the %s embedding', (method, sampler, embedding) => {
  const model = buildModel({ ...base, method, sampler, embedding })
  const [unit] = model.units

  /** A few steps away from the start. */
  const states = new Map<number, HostTensors>()
  let state = unit!.initialState(1, { prototypes: syntheticBatch(base, numClasses, 1000).images })
  for (let step = 0; step < 3; step++) {
    state = runProgram(unit!.trainingProgram(4), state, unit!.stepInputs(syntheticBatch(base, 4, step), stepAt(step))).state
  }
  states.set(unit!.block, state)

  function predict(of: Float32Array, imageKeys: number[], samples: boolean[], seed = 3, calls: Call[] = []) {
    return runChain(model.chain({ batchSize: imageKeys.length, samples }), states, { images: of, keys: imageKeys, seed, calls })
  }

  it('gives class probabilities after every reported step, for every sample and image, and for the last latent', async () => {
    const { estimates, head } = await predict(images, keys, [false, true])
    expect(model.reportedSteps).toEqual([1, 2, 3, 4, 5, 6])
    expect(estimates.map((samples) => samples.length)).toEqual(new Array(6).fill(2))
    for (const probabilities of [...estimates.flat(), ...head]) {
      expect(probabilities.length).toBe(4 * numClasses)
      for (let i = 0; i < 4; i++) {
        const row = probabilities.subarray(i * numClasses, (i + 1) * numClasses)
        expect(row.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5)
        expect(Math.min(...row)).toBeGreaterThanOrEqual(0)
      }
    }
  })

  it('gives an image the same result in any batch, with and without noise', async () => {
    const together = await predict(images, keys, [false, true])
    const alone = await predict(images.slice(2 * imageSize, 3 * imageSize), [12], [false, true])
    const row = (probabilities: Float32Array) => probabilities.subarray(2 * numClasses, 3 * numClasses)
    together.estimates.forEach((samples, t) => samples.forEach((p, s) => expectAllClose(alone.estimates[t]![s]!, row(p))))
    together.head.forEach((p, s) => expectAllClose(alone.head[s]!, row(p)))
  })

  it('gives a sample the same result whatever other samples run beside it', async () => {
    const beside = await predict(images, keys, [false, true, true])
    const noisy = await predict(images, keys, [true])
    const noiseFree = await predict(images, keys, [false])
    expectAllClose(beside.head[1]!, noisy.head[0]!)
    expectAllClose(beside.head[0]!, noiseFree.head[0]!)
    expect(beside.head[1]).not.toEqual(beside.head[2])
  })

  it('depends on the seed and the key only where there is noise', async () => {
    const result = await predict(images, keys, [true, false])
    const otherSeed = await predict(images, keys, [true, false], 4)
    const otherKeys = await predict(images, [20, 21, 22, 23], [true, false])
    for (const other of [otherSeed, otherKeys]) {
      expect(other.head[0]).not.toEqual(result.head[0])
      expect(other.head[1]).toEqual(result.head[1])
    }
    expect(await predict(images, keys, [true, false])).toEqual(result)
  })

  it('takes images and draws and nothing that knows the label; noise for its steps only where they have some', async () => {
    for (const samples of [[true], [false], [false, true]]) {
      const calls: Call[] = []
      await predict(images, keys, samples, 3, calls)
      const inputs = (program: string) =>
        new Set(calls.filter((call) => call.program === program).map((call) => Object.keys(call.inputs).sort().join()))
      const hasNoise = method === 'noprop-ct' && sampler === 'eq3' && samples.includes(true)
      expect([...inputs('encode')]).toEqual(['images'])
      expect([...inputs('steps')]).toEqual([hasNoise ? 'chunk,imagePart,noise,z' : 'chunk,imagePart,z'])
      expect(calls.filter((call) => call.program === 'encode').length).toBe(1)
    }
  })

  it('has exactly the state that its programs declare, and needs no optimizer state', () => {
    const weightsOnly = Object.fromEntries(Object.entries(state).filter(([name]) => !name.startsWith('optimizer')))
    const chain = model.chain({ batchSize: 1, samples: [false] })
    const weights = chain.weights(states)
    expect(chain.weights(new Map([[unit!.block, weightsOnly]]))).toEqual(weights)
    expect(Object.keys(weights)).toEqual(Object.keys(chain.programs))
    for (const [name, program] of Object.entries(chain.programs)) {
      expect(Object.keys(weights[name]!).sort()).toEqual(Object.keys(program.state).sort())
    }
  })

  it('predicts with the moving averages where there are some', () => {
    const averages = Object.fromEntries(Object.entries(state).map(([name, values]) => [name, values.map((x) => x * 0.9)]))
    const averaged = { ...state, ...Object.fromEntries(Object.entries(averages).map(([name, values]) => [`average/${name}`, values])) }
    const chain = model.chain({ batchSize: 1, samples: [false] })
    expect(chain.weights(new Map([[unit!.block, averaged]]))).toEqual(chain.weights(new Map([[unit!.block, averages]])))
  })

  it('leaves no tensor behind', async () => {
    await predict(images, keys, [true])
    const before = tf.memory().numTensors
    await predict(images, keys, [true, false])
    expect(tf.memory().numTensors).toBe(before)
  })

  it('refuses what does not fit it', async () => {
    const chain = model.chain({ batchSize: 4, samples: [true] })
    await expect(runChain(chain, states, { images: images.subarray(1), keys })).rejects.toThrow(ShapeError)
    await expect(runChain(chain, states, { images, keys: [1] })).rejects.toThrow(ShapeError)
    expect(() => chain.weights(new Map())).toThrow(ShapeError)
    expect(() => model.chain({ batchSize: 0, samples: [true] })).toThrow(ModelConfigError)
    expect(() => model.chain({ batchSize: 1, samples: [] })).toThrow(ModelConfigError)
  })

  it('is what its steps give when they are done one by one', async () => {
    const steps = 42
    const long = buildModel({ ...base, method, sampler, embedding, inferenceSteps: steps })
    const chain = long.chain({ batchSize: 4, samples: [true] })
    const { estimates, head } = await runChain(chain, states, { images, keys })
    expect(long.reportedSteps).toEqual(Array.from({ length: 14 }, (_, i) => 3 * (i + 1)))

    const expected = rollOut(steps)
    long.reportedSteps.forEach((step, i) => expectAllClose(estimates[i]![0]!, expected.estimates[step - 1]!, { absolute: 2e-5 }))
    expectAllClose(head[0]!, expected.head, { absolute: 2e-5 })
  })

  /** The chain written out plainly: Eq. 3, the probability-flow ODE, or the vector field. */
  function rollOut(steps: number) {
    const config = { ...base, embeddingDim: embedding === 'learned' ? base.embeddingDim : embedding === 'prototype' ? 196 : numClasses }
    const network = timeConditionedNetwork({ ...config, latentIsImage: embedding === 'prototype' })
    const dim = config.embeddingDim
    const { start, noise } = drawChainNoise({ seed: 3, keys, samples: [true], blocks: steps, embeddingDim: dim })
    return tf.tidy(() => {
      const w = toTensors(unit!.trainingProgram(4).state, state)
      const matrix = (w['embedding.matrix'] as tf.Tensor2D | undefined) ?? tf.eye(numClasses)
      const imagePart = network.imagePart(w, tf.tensor4d(images, [4, 14, 14, 1]), frozenMode(w))
      const estimates: Float32Array[] = []
      let z = tf.tensor2d(start, [4, dim])
      for (let i = 0; i < steps; i++) {
        const t = i / steps
        const timeEmbedding = new Float32Array(64)
        fillTimeEmbeddings(timeEmbedding, [t])
        const timePart = network.timePart(w, tf.tensor2d(timeEmbedding, [1, 64]))
        const logits = network.logits(w, { imagePart, timePart }, z, frozenMode(w))
        if (method === 'noprop-fm') {
          const v = tf.matMul(logits, matrix)
          estimates.push(nearest(tf.add(z, tf.mul(v, 1 - t)), matrix))
          z = tf.add(z, tf.mul(v, 1 / steps))
          continue
        }
        const estimate = tf.matMul(tf.softmax(logits), matrix)
        estimates.push(tf.softmax(logits).dataSync<'float32'>())
        const { gamma, gammaSlope } = hostSchedule(state)
        const [p, c] = [t, t + 1 / steps].map((time) => 1 / (1 + Math.exp(gamma(time)))) as [number, number]
        if (sampler === 'ode') {
          const drift = tf.sub(tf.mul(estimate, Math.sqrt(p)), tf.mul(z, p))
          z = tf.add(z, tf.mul(drift, -gammaSlope(t) / 2 / steps))
        } else {
          const alpha = p / c
          const mean = tf.add(tf.mul(estimate, (Math.sqrt(c) * (1 - alpha)) / (1 - p)), tf.mul(z, (Math.sqrt(alpha) * (1 - c)) / (1 - p)))
          const epsilon = tf.tensor2d(noise.slice(i * 4 * dim, (i + 1) * 4 * dim), [4, dim])
          z = tf.add(mean, tf.mul(epsilon, Math.sqrt(((1 - c) * (1 - alpha)) / (1 - p))))
        }
      }
      const head =
        method === 'noprop-fm'
          ? nearest(z, matrix)
          : tf.softmax(tf.add(tf.matMul(z, w['head.kernel'] as tf.Tensor2D), w['head.bias']!)).dataSync<'float32'>()
      return { estimates, head }
    })
  }
})

/** Softmax of −‖x − u‖²/(2σ²), where an embedding has 99 % at the mean squared distance between two. */
function nearest(x: tf.Tensor, matrix: tf.Tensor2D): Float32Array {
  const [m, dim] = matrix.shape
  const between = tf.sum(tf.squaredDifference(tf.reshape(matrix, [m, 1, dim]), tf.reshape(matrix, [1, m, dim])))
  const meanSquared = between.dataSync()[0]! / (m * (m - 1))
  const distances = tf.sum(tf.squaredDifference(tf.reshape(x, [-1, 1, dim]), tf.reshape(matrix, [1, m, dim])), 2)
  return tf.softmax(tf.mul(distances, -Math.log(99 * (m - 1)) / meanSquared)).dataSync<'float32'>()
}

/**
 * A network that knows p(y | x), which it finds in the first pixels of an image, and computes from it what the trained one is to learn: the posterior p(y | z, x),
 * or the vector field that goes with it.
 */
describe('with the exact posterior', () => {
  const truths = [
    [0.6, 0.25, 0.1, 0.05],
    [0.1, 0.2, 0.3, 0.4],
  ]
  const classes = 4
  /** Euler steps of a smooth path need not be as many as those that carry noise. */
  const stepsOf = (sampler: 'eq3' | 'ode', method: string) => (method === 'noprop-ct' && sampler === 'eq3' ? 1000 : 200)

  function exactChain(method: 'noprop-ct' | 'noprop-fm', sampler: 'eq3' | 'ode', batchSize: number, isNoisy: boolean) {
    const network: ContinuousParts['network'] = {
      imageParameters: [],
      stepParameters: scheduleParameters,
      dropoutLayers: [],
      multiplyAdds: 0,
      features: classes,
      imagePart: (_, x) => tf.log(tf.slice(tf.reshape(x, [-1, imageSize]), [0, 0], [-1, classes])) as tf.Tensor2D,
      // The slowest sine tells the time.
      timePart: (_, embeddings) => tf.div(tf.asin(tf.slice(embeddings, [0, 31], [-1, 1])), 1000 * 10_000 ** (-31 / 32)),
      logits(weights, { imagePart: prior, timePart }, z) {
        const t = tf.reshape(timePart, [1]) as tf.Tensor1D
        if (method === 'noprop-fm') {
          const timeLeft = tf.sub(1, t)
          // z = t·u + (1 − t)·z_0. The term in ‖u‖² is the same for every one-hot class.
          const posterior = tf.softmax(tf.add(tf.mul(z, tf.div(t, tf.square(timeLeft))), prior))
          return tf.div(tf.sub(posterior, z), timeLeft)
        }
        const snr = learnedSchedule(weights).snr(t).value
        // √ᾱ/(1 − ᾱ) = √(SNR·(1 + SNR))
        return tf.add(tf.mul(z, tf.sqrt(tf.mul(snr, tf.add(snr, 1)))), prior)
      },
    }
    const parts: ContinuousParts = {
      config: { ...base, numClasses: classes, method, sampler, inferenceSteps: stepsOf(sampler, method) },
      network,
      embedding: oneHotEmbedding(classes),
      head: linearHead(classes, classes),
    }
    const chosen = method === 'noprop-fm' ? flowMatchingSampler(parts) : continuousTimeSampler(parts)
    const state: HostTensors = {
      ...initialWeights(scheduleParameters, 1, 1),
      'head.kernel': Float32Array.from({ length: classes ** 2 }, (_, i) => (i % (classes + 1) === 0 ? 20 : 0)),
      'head.bias': new Float32Array(classes),
    }
    return { chain: continuousChain({ batchSize, samples: [isNoisy] }, parts, chosen), states: new Map([[1, state]]) }
  }

  function imagesOf(rows: readonly number[][]): Float32Array {
    const pixels = new Float32Array(rows.length * imageSize)
    rows.forEach((row, i) => pixels.set(row, i * imageSize))
    return pixels
  }

  /** The classes with the largest probability in every row. */
  function winners(probabilities: Float32Array): number[] {
    return Array.from({ length: probabilities.length / classes }, (_, i) => {
      const row = probabilities.subarray(i * classes, (i + 1) * classes)
      return row.indexOf(Math.max(...row))
    })
  }

  async function predict(method: 'noprop-ct' | 'noprop-fm', sampler: 'eq3' | 'ode', rows: readonly number[][], isNoisy: boolean) {
    const { chain, states } = exactChain(method, sampler, rows.length, isNoisy)
    return runChain(chain, states, { images: imagesOf(rows), keys: rows.map((_, i) => i) })
  }

  const ways = [
    ['noprop-ct', 'eq3'],
    ['noprop-ct', 'ode'],
    ['noprop-fm', 'eq3'],
  ] as const

  it.each(ways)('%s with %s draws its classes from p(y | x), in estimate and decoding', async (method, sampler) => {
    const draws = 1000
    const [truth] = truths as [number[]]
    const { estimates, head } = await predict(method, sampler, new Array<number[]>(draws).fill(truth), true)
    for (const result of [estimates.at(-1)![0]!, head[0]!]) {
      const reached = winners(result)
      truth.forEach((p, y) => {
        const frequency = reached.filter((winner) => winner === y).length / draws
        expect(Math.abs(frequency - p)).toBeLessThan(3 * Math.sqrt((p * (1 - p)) / draws))
      })
    }
  })

  it.each(ways)('%s with %s goes to the most probable class without noise', async (method, sampler) => {
    const { estimates, head } = await predict(method, sampler, truths, false)
    expect(winners(head[0]!)).toEqual([0, 3])
    for (const [samples] of estimates as ChainResult['estimates']) expect(winners(samples!)).toEqual([0, 3])
  })
})
