import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it, test } from 'vitest'
import { expectAllClose } from '../../test/expect-close.ts'
import { runProgram, syntheticBatch, tinyConfig } from '../../test/run-program.ts'
import { buildModel } from '../build-model.ts'
import { ModelConfigError } from '../errors.ts'
import type { ModelConfig } from '../model.ts'
import { registerKernelGradients } from '../gradient/kernel-gradients.ts'
import { batchNorm, foldBatchNorm, initialRunningStatistics, updateRunningStatistics } from './batch-norm.ts'
import { frozenMode } from './block-mode.ts'
import { denoisingBlock } from './denoising-block.ts'
import { dropoutScale, dropoutThreshold, maskedRelu } from './dropout.ts'
import { initialWeights } from './parameters.ts'

registerKernelGradients()

const paper: ModelConfig = { ...tinyConfig, blocks: 10, channels: [32, 64, 128], features: 256, imageShape: [28, 28, 1], numClasses: 10 }

const sets = {
  MNIST: { imageShape: [28, 28, 1], numClasses: 10 },
  'CIFAR-10': { imageShape: [32, 32, 3], numClasses: 10 },
  'CIFAR-100': { imageShape: [32, 32, 3], numClasses: 100 },
} as const

/** Numbers of weights of one block, from which the paper's table of parameters follows by rounding. */
test.each([
  ['MNIST', 'one-hot', 919_946, '0.92'],
  ['MNIST', 'learned', 922_506, '0.92'],
  ['MNIST', 'prototype', 1_401_738, '1.40'],
  ['CIFAR-10', 'one-hot', 1_215_434, '1.22'],
  ['CIFAR-10', 'learned', 1_217_994, '1.22'],
  ['CIFAR-10', 'prototype', 1_992_714, '1.99'],
  ['CIFAR-100', 'one-hot', 1_250_084, '1.25'],
  ['CIFAR-100', 'learned', 1_229_604, '1.23'],
  ['CIFAR-100', 'prototype', 2_004_324, '2.00'],
] as const)(
  "a block of the paper's size has its published number of parameters on %s with %s labels",
  (set, embedding, parameters, millions) => {
    const config: ModelConfig = { ...paper, ...sets[set], embedding, embeddingDim: 20 }
    const model = buildModel(config)
    const { numClasses, imageShape } = sets[set]
    const dimension = {
      'one-hot': numClasses,
      learned: 20,
      prototype: (imageShape as readonly number[]).reduce((product, n) => product * n, 1),
    }[embedding]
    const shared = numClasses * (dimension + 1) + (embedding === 'one-hot' ? 0 : numClasses * dimension)
    expect(model.parameters).toEqual({ total: 10 * parameters + shared, perBlock: parameters, shared })
    expect((parameters / 1e6).toFixed(2)).toBe(millions)
    expect(model.units.filter((unit) => unit.block > 0).map((unit) => unit.parameterCount)).toEqual(new Array(10).fill(parameters))
    const prototypes = new Float32Array(numClasses * dimension)
    const state = Object.entries(model.units.at(-1)!.initialState(1, { prototypes })).filter(([name]) => !name.includes('/'))
    const elements = state.reduce((sum, [, values]) => sum + values.length, 0)
    expect(elements).toBe(parameters + (embedding === 'one-hot' ? 0 : shared))
  },
)

test("the forward pass of the paper's block takes 7.56 million multiply-adds on MNIST, of its layers' 9.22", () => {
  const convolutions = 9 * (24 * 24 * 32 + 10 * 10 * 32 * 64 + 8 * 8 * 64 * 128)
  const dense = 2048 * 256 + 256 * (10 + 4 * 256 + 128) + 128 * 10
  expect(buildModel(paper).flopsPerImage).toBe(2 * (convolutions + dense))
})

test('weights start as in PyTorch: uniform within 1/√fanIn, norms at 1 and 0, moments at 0', () => {
  const state = buildModel(paper).units[4]!.initialState(3)
  const spread = (name: string) => {
    const values = state[name] as Float32Array
    return { largest: Math.max(...values.map(Math.abs)), variance: values.reduce((sum, x) => sum + x * x, 0) / values.length }
  }
  for (const [name, fanIn] of [
    ['image.conv2.kernel', 9 * 32],
    ['fusion.dense1.imageKernel', 512],
    ['label.dense1.kernel', 10],
  ] as const) {
    expect(spread(name).largest).toBeLessThanOrEqual(1 / Math.sqrt(fanIn))
    expect(spread(name).variance * 3 * fanIn).toBeCloseTo(1, 0)
  }
  expect(spread('image.conv1.bias').largest).toBeGreaterThan(0)
  expect(new Set(state['image.norm.scale'])).toEqual(new Set([1]))
  expect(new Set(state['image.norm.offset'])).toEqual(new Set([0]))
  expect(new Set(state['optimizer.m/image.conv2.kernel'])).toEqual(new Set([0]))
  expect(new Set(state['batchNorm/fusion.norm2.variance'])).toEqual(new Set([1]))
})

test('blocks and seeds start from different weights, the same ones every time', () => {
  const { units } = buildModel(tinyConfig)
  const kernel = (unit: number, seed: number) => units[unit]!.initialState(seed)['image.conv1.kernel']
  expect(kernel(1, 1)).toEqual(kernel(1, 1))
  expect(kernel(1, 1)).not.toEqual(kernel(2, 1))
  expect(kernel(1, 1)).not.toEqual(kernel(1, 2))
})

test.each([
  ['imageShape', { imageShape: [13, 28, 1] }],
  ['imageShape', { imageShape: [28, 28, 0] }],
  ['blocks', { blocks: 0 }],
  ['blocks', { blocks: 2.5 }],
  ['channels', { channels: [8, 0, 8] }],
  ['features', { features: 1 }],
  ['dropout', { dropout: 1 }],
  ['dropout', { dropout: NaN }],
  ['eta', { eta: 0 }],
  ['weightDecay', { weightDecay: -1 }],
  ['noiseSamples', { noiseSamples: 0 }],
  ['numClasses', { numClasses: 1 }],
  ['method', { method: 'noprop-xt' }],
  ['embedding', { embedding: 'two-hot' }],
  ['embeddingDim', { embedding: 'learned', embeddingDim: 0 }],
  ['embeddingInit', { embedding: 'learned', embeddingInit: 'prototype' }],
  ['head', { head: 'nearest' }],
  ['radialSigma', { radialSigma: 0 }],
  ['optimizer', { optimizer: 'sgd' }],
  ['sampler', { sampler: 'heun' }],
  ['inferenceSteps', { inferenceSteps: 0 }],
  ['fmSigma', { fmSigma: -1 }],
  ['emaDecay', { emaDecay: 1 }],
  ['labelSmoothing', { labelSmoothing: 1 }],
])('a model with a bad %s is refused by that name: %o', (field, change) => {
  expect(() => buildModel({ ...tinyConfig, ...change } as ModelConfig)).toThrow(ModelConfigError)
  expect(() => buildModel({ ...tinyConfig, ...change } as ModelConfig)).toThrow(field)
})

test('the smallest image that the block takes has 14 pixels a side', () => {
  expect(() => buildModel({ ...tinyConfig, imageShape: [14, 14, 1] })).not.toThrow()
})

describe('the forward pass', () => {
  const block = denoisingBlock({
    imageShape: [14, 14, 1],
    channels: [2, 3, 4],
    features: 8,
    embeddingDim: 5,
    numClasses: 5,
    latentIsImage: false,
  })
  const wide = denoisingBlock({
    imageShape: [17, 16, 1],
    channels: [2, 3, 4],
    features: 8,
    embeddingDim: 5,
    numClasses: 5,
    latentIsImage: false,
  })
  const weights = (of = block) =>
    Object.fromEntries(
      Object.entries(initialWeights(of.parameters, 1, 1)).map(([name, values]) => [
        name,
        tf.tensor(values, [...of.parameters.find((parameter) => parameter.name === name)!.shape]),
      ]),
    )
  const logits = (w: tf.NamedTensorMap, images: tf.Tensor4D, z: tf.Tensor2D) => block.logits(w, images, z, frozenMode(w))

  it('treats every draw of an image as if it were alone', () => {
    tf.tidy(() => {
      const w = weights()
      const images = tf.tensor4d(syntheticBatch(tinyConfig, 3).images, [3, 14, 14, 1])
      const z = tf.tensor2d(
        Float32Array.from({ length: 2 * 3 * 5 }, (_, i) => Math.sin(i)),
        [6, 5],
      )
      const together = logits(w, images, z).dataSync()
      const [first, second] = tf.split(z, 2, 0) as [tf.Tensor2D, tf.Tensor2D]
      expectAllClose(together, [...logits(w, images, first).dataSync(), ...logits(w, images, second).dataSync()])
    })
  })

  it('equals the paper block with ReLU before pooling and with concatenation, borders and all', () => {
    tf.tidy(() => {
      const w = weights(wide)
      const images = tf.tensor4d(syntheticBatch({ ...tinyConfig, imageShape: [17, 16, 1] }, 3).images, [3, 17, 16, 1])
      const z = tf.tensor2d(
        Float32Array.from({ length: 3 * 5 }, (_, i) => Math.cos(i)),
        [3, 5],
      )
      const convolve = (x: tf.Tensor, layer: string) =>
        tf.relu(tf.add(tf.conv2d(x as tf.Tensor4D, w[`${layer}.kernel`] as tf.Tensor4D, 1, 'valid'), w[`${layer}.bias`]!)) as tf.Tensor4D
      const linear = (x: tf.Tensor, kernel: tf.Tensor, bias: string) => tf.add(tf.matMul(x as tf.Tensor2D, kernel as tf.Tensor2D), w[bias]!)
      const pool = (x: tf.Tensor4D) => tf.maxPool(x, 2, 2, 'valid')

      const pooled = pool(convolve(convolve(pool(convolve(images, 'image.conv1')), 'image.conv2'), 'image.conv3'))
      const f = linear(tf.reshape(pooled, [3, -1]), w['image.dense.kernel']!, 'image.dense.bias')
      const h = tf.relu(linear(z, w['label.dense1.kernel']!, 'label.dense1.bias'))
      const inner = tf.relu(linear(h, w['label.dense2.kernel']!, 'label.dense2.bias'))
      const label = tf.add(h, linear(inner, w['label.dense3.kernel']!, 'label.dense3.bias'))
      const joint = tf.concat([w['fusion.dense1.imageKernel']!, w['fusion.dense1.labelKernel']!], 0)
      const fused = tf.relu(linear(tf.concat([f, label], 1), joint, 'fusion.dense1.bias'))
      const last = tf.relu(linear(fused, w['fusion.dense2.kernel']!, 'fusion.dense2.bias'))
      const expected = linear(last, w['fusion.dense3.kernel']!, 'fusion.dense3.bias')
      expectAllClose(wide.logits(w, images, z, frozenMode(w)).dataSync(), expected.dataSync(), { absolute: 1e-5 })
    })
  })
})

describe('batch norm', () => {
  const x = [1, -2, 4, 0, 3, 5, 2, 8]
  const rows = 4

  it('normalises with the statistics of the batch', () => {
    tf.tidy(() => {
      const { value, statistics } = batchNorm(tf.tensor2d(x, [rows, 2]), tf.tensor1d([2, 1]), tf.tensor1d([0.5, -1]))
      // Columns 1, 4, 3, 2 and −2, 0, 5, 8: means 2.5 and 2.75, mean squared deviations 1.25 and 15.6875.
      expectAllClose(statistics.mean.dataSync(), [2.5, 2.75])
      expectAllClose(statistics.variance.dataSync(), [1.25, 15.6875])
      const column = (i: number, mean: number, variance: number) => (x[i]! - mean) / Math.sqrt(variance + 1e-5)
      const expected = x.map((_, i) => (i % 2 === 0 ? 2 * column(i, 2.5, 1.25) + 0.5 : column(i, 2.75, 15.6875) - 1))
      expectAllClose(value.dataSync(), expected)
    })
  })

  it('has the gradient of its formula, in input, scale and offset', () => {
    const weigh = tf.tensor2d([1, 2, -1, 0.5, 3, -2, 0.3, 1], [rows, 2])
    const objective = (input: number[], scale: number[], offset: number[]) =>
      tf.tidy(() => {
        const { value } = batchNorm(tf.tensor2d(input, [rows, 2]), tf.tensor1d(scale), tf.tensor1d(offset))
        return tf.sum(tf.mul(tf.square(value), weigh)).dataSync()[0]!
      })
    const point = [x, [2, 1], [0.5, -1]] as const
    const found = tf.tidy(() => {
      const run = tf.grads((input: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) => {
        const { value } = batchNorm(input as tf.Tensor2D, scale as tf.Tensor1D, offset as tf.Tensor1D)
        return tf.sum(tf.mul(tf.mul(value, value), weigh))
      })
      return run([tf.tensor2d(x, [rows, 2]), tf.tensor1d([2, 1]), tf.tensor1d([0.5, -1])]).map((g) => Array.from(g.dataSync()))
    })
    point.forEach((values, argument) => {
      values.forEach((_, i) => {
        const shifted = (by: number) =>
          objective(
            ...(point.map((v, a) => v.map((value, j) => (a === argument && j === i ? value + by : value))) as [
              number[],
              number[],
              number[],
            ]),
          )
        const numeric = (shifted(1e-2) - shifted(-1e-2)) / 2e-2
        expect(Math.abs(found[argument]![i]! - numeric)).toBeLessThan(0.01 * Math.abs(numeric) + 5e-3)
      })
    })
    weigh.dispose()
  })

  it('moves its running statistics by a tenth, with the unbiased variance and the bias it left out', () => {
    tf.tidy(() => {
      const running = { mean: tf.tensor1d([1]), variance: tf.tensor1d([2]) }
      const next = updateRunningStatistics(running, { mean: tf.tensor1d([3]), variance: tf.tensor1d([6]) }, tf.tensor1d([0.5]), 4)
      expectAllClose(next.mean.dataSync(), [0.9 * 1 + 0.1 * 3.5])
      expectAllClose(next.variance.dataSync(), [0.9 * 2 + 0.1 * 6 * (4 / 3)])
    })
  })

  it('starts at mean 0 and variance 1', () => {
    const state = initialRunningStatistics([{ name: 'n', size: 2, kernels: ['k'], bias: 'b' }])
    expect(state).toEqual({ 'batchNorm/n.mean': Float32Array.of(0, 0), 'batchNorm/n.variance': Float32Array.of(1, 1) })
  })

  it('folds into the kernel and the bias before it', () => {
    const state = {
      k: Float32Array.of(1, 2, 3, 4),
      b: Float32Array.of(0.5, -0.5),
      'n.scale': Float32Array.of(2, 3),
      'n.offset': Float32Array.of(0.1, 0.2),
      'batchNorm/n.mean': Float32Array.of(1, -1),
      'batchNorm/n.variance': Float32Array.of(4, 0.25),
    }
    const folded = foldBatchNorm(state, ['k', 'b'], [{ name: 'n', size: 2, kernels: ['k'], bias: 'b' }])
    const input = [0.7, -1.1]
    const slopes = [2 / Math.sqrt(4 + 1e-5), 3 / Math.sqrt(0.25 + 1e-5)]
    const normalised = [0, 1].map((j) => {
      const linear = input[0]! * state.k[j]! + input[1]! * state.k[2 + j]! + state.b[j]!
      return (linear - state['batchNorm/n.mean'][j]!) * slopes[j]! + state['n.offset'][j]!
    })
    const [k, b] = [folded['k']!, folded['b']!]
    expectAllClose(
      [0, 1].map((j) => input[0]! * k[j]! + input[1]! * k[2 + j]! + b[j]!),
      normalised,
    )
    expect(Object.keys(folded)).toEqual(['k', 'b'])
  })
})

describe('dropout', () => {
  it('has a scale that undoes the rate its masks really have', () => {
    for (const rate of [0, 0.1, 0.2, 0.5, 0.9]) expect(dropoutScale(rate) * (1 - dropoutThreshold(rate) / 65536)).toBeCloseTo(1, 12)
    expect(dropoutScale(0.2)).toBeCloseTo(1.25, 4)
  })

  it('passes and differentiates what is positive and kept', () => {
    tf.tidy(() => {
      const x = tf.tensor4d([1, -2, 3, -4, 5, 0], [1, 1, 1, 6])
      const mask = tf.tensor4d([1, 1, 0, 0, 1, 1], [1, 1, 1, 6])
      expect(Array.from(maskedRelu(x, mask).dataSync())).toEqual([1, 0, 0, 0, 5, 0])
      const slope = tf.grad((input) => tf.sum(tf.mul(maskedRelu(input as tf.Tensor4D, mask), 3)))(x)
      expect(Array.from(slope.dataSync())).toEqual([3, 0, 0, 0, 3, 0])
    })
  })

  it('is absent from a program without it', () => {
    const [, unit] = buildModel({ ...tinyConfig, dropout: 0 }).units
    const batch = syntheticBatch(tinyConfig, 4)
    const inputs = unit!.stepInputs(batch, { seed: 1, step: 0, learningRate: 1e-3, batches: 50 })
    const program = unit!.trainingProgram(4)
    expect(Object.keys(inputs).sort()).toEqual(Object.keys(program.inputs).sort())
    expect(Object.keys(inputs).some((name) => name.includes('dropout'))).toBe(false)
    expect(runProgram(program, unit!.initialState(1), inputs).outputs['denoising_loss']![0]).toBeGreaterThan(0)
  })
})
