/** Discrete time with an embedding that the blocks share and train: Algorithm 1 as it stands. */

import type { HostTensors } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it, test } from 'vitest'
import { buildModel, type ModelConfig, ShapeError } from '../src/index.ts'
import { sharedStepOf } from '../src/train/coupled-unit.ts'
import { expectAllClose } from './expect-close.ts'
import { runChain, runProgram, stepAt, syntheticBatch, tinyConfig, toTensors } from './run-program.ts'
import { batchSize, expectExactGradients, inputsOf, itIsATrainingUnit, prototypesFor, train, unitOf } from './unit-properties.ts'

const learned: ModelConfig = { ...tinyConfig, embedding: 'learned', embeddingDim: 6 }
const prototype: ModelConfig = { ...tinyConfig, embedding: 'prototype' }
const radial: ModelConfig = { ...learned, head: 'radial', radialSigma: 0.7 }
const shared = ['head.kernel', 'head.bias', 'embedding.matrix']

const W = (state: HostTensors) => state['embedding.matrix'] as Float32Array

describe.each([
  ['learned', learned],
  ['prototype', prototype],
  ['learned, with the radial head', radial],
  ['learned, with everything that is ours', { ...learned, emaDecay: 0.9, labelSmoothing: 0.1, noiseSamples: 3 }],
  ['learned, with Adam', { ...learned, optimizer: 'adam' as const }],
])('training a block whose embedding is %s', (_, config) => {
  // The cross-entropy drives the embeddings apart meanwhile, which makes the squared distance larger.
  itIsATrainingUnit({ config, block: 3, loss: 'denoising_loss', share: 0.75 })

  it('reaches the weights of the block, the head and the embedding, and moves them', async () => {
    const before = unitOf(config, 2).initialState(1, prototypesFor(config))
    const { state } = await train(config, 2, 1)
    for (const name of [...shared, 'image.conv1.kernel', 'fusion.dense3.kernel']) expect(state[name], name).not.toEqual(before[name])
  })
})

describe('the gradient', () => {
  // The denoising loss and the cross-entropy are one sum to the shared weights, and the block's weights are in the first alone.
  const loss = (outputs: HostTensors) => outputs['weighted_loss']![0]! + outputs['cross_entropy']![0]!

  it.each([
    ['a learned embedding', { ...learned, noiseSamples: 2 }],
    ['a learned embedding and smoothed labels', { ...learned, labelSmoothing: 0.2 }],
    ['the radial head', radial],
    ['prototypes', prototype],
  ])('with %s agrees with finite differences of the loss for every weight tensor', (_, config) => {
    expectExactGradients({
      config,
      block: 3,
      loss,
      atLeast: [...shared.slice(0, 1), 'embedding.matrix', 'image.conv2.kernel', 'fusion.dense3.kernel'],
    })
  })

  it('of the embedding flows through the target, the latent, the estimate and the head alike', async () => {
    const unit = unitOf(learned, 3)
    const program = unit.trainingProgram(batchSize)
    const state = unit.initialState(1)
    const gradient = async (change: Partial<HostTensors>) => {
      const inputs = { ...(await inputsOf(unit, state, learned, 0)), ...change } as HostTensors
      return runProgram(program, state, inputs).state['optimizer.m/embedding.matrix']!
    }
    const whole = await gradient({})
    expect(await gradient({ lossWeight: Float32Array.of(0) })).not.toEqual(whole)
    expect(await gradient({ 'latent.signal': Float32Array.of(0) })).not.toEqual(whole)
    expect(await gradient({ 'last.signal': Float32Array.of(0) })).not.toEqual(whole)
  })

  it('of one block is exactly 0 on the weights of every other block', async () => {
    // Of another block there is nothing in the program: its state has the weights of one block, and what all share.
    const names = (block: number) => Object.keys(unitOf(learned, block).trainingProgram(2).state).sort()
    expect(names(1)).toEqual(names(3))
    const perBlock = unitOf(learned, 1).parameterCount
    const sizes = Object.entries(unitOf(learned, 1).trainingProgram(2).state).filter(([name]) => !name.includes('/'))
    const elements = sizes.reduce((sum, [, { shape }]) => sum + shape.reduce((product, n) => product * n, 1), 0)
    expect(elements).toBe(perBlock + buildModel(learned).parameters.shared)
  })
})

describe('the turns of the blocks', () => {
  it('count the steps of the shared optimizer through epochs and blocks without a gap', () => {
    const [blocks, batches, epochs] = [3, 4, 2]
    const counted: number[] = []
    for (let epoch = 0; epoch < epochs; epoch++) {
      for (let t = 1; t <= blocks; t++) {
        for (let i = 0; i < batches; i++) counted.push(sharedStepOf({ step: epoch * batches + i, batches }, t, blocks))
      }
    }
    expect(counted).toEqual(Array.from({ length: blocks * batches * epochs }, (_, i) => i))
  })

  it('begin from one embedding and one head, whichever block comes first', () => {
    const [first, last] = [unitOf(learned, 1).initialState(5), unitOf(learned, 3).initialState(5)]
    for (const name of shared) expect(first[name]).toEqual(last[name])
    expect(first['image.conv1.kernel']).not.toEqual(last['image.conv1.kernel'])
  })

  it('hand on the shared weights with their moments and averages, and nothing of the block', async () => {
    const config = { ...learned, emaDecay: 0.9 }
    const previous = (await train(config, 1, 2)).state
    const own = unitOf(config, 2).initialState(1)
    const adopted = unitOf(config, 2).adoptShared!(own, previous)
    for (const [name, values] of Object.entries(adopted)) {
      const isShared = shared.some((key) => name === key || name.endsWith(`/${key}`))
      expect(values, name).toEqual(isShared ? previous[name] : own[name])
    }
    expect(Object.keys(adopted).sort()).toEqual(Object.keys(own).sort())
  })

  it('are what makes a unit adopt: with a fixed embedding none does', () => {
    expect(buildModel(tinyConfig).units.some((unit) => unit.adoptShared)).toBe(false)
    expect(buildModel(learned).units.map((unit) => unit.block)).toEqual([1, 2, 3])
    expect(buildModel(learned).units.every((unit) => unit.adoptShared)).toBe(true)
  })
})

describe('first values', () => {
  const rows = (config: ModelConfig) => {
    const matrix = W(unitOf(config, 1).initialState(3, prototypesFor(config)))
    const dimension = matrix.length / config.numClasses
    return Array.from({ length: config.numClasses }, (_, y) => matrix.subarray(y * dimension, (y + 1) * dimension))
  }
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)

  it('of a learned embedding are orthonormal', () => {
    const matrix = rows(learned)
    matrix.forEach((a, i) => matrix.forEach((b, j) => expect(dot(a, b)).toBeCloseTo(i === j ? 1 : 0, 5)))
  })

  it('are random rows of length about 1 where there are more classes than dimensions', () => {
    const matrix = rows({ ...learned, numClasses: 200, embeddingDim: 20 })
    const squares = matrix.map((row) => dot(row, row))
    expect(squares.reduce((sum, x) => sum + x, 0) / 200).toBeCloseTo(1, 1)
    expect(Math.abs(dot(matrix[0]!, matrix[1]!))).toBeGreaterThan(1e-4)
  })

  it('of a prototype embedding are the training images that are handed in', () => {
    expect(Float32Array.of(...rows(prototype).flatMap((row) => [...row]))).toEqual(prototypesFor(prototype).prototypes)
    expect(buildModel(prototype).needsPrototypes).toBe(true)
    expect(() => unitOf(prototype, 1).initialState(1)).toThrow(ShapeError)
    expect(() => unitOf(prototype, 1).initialState(1, { prototypes: new Float32Array(3) })).toThrow(ShapeError)
  })

  it.each(['orthogonal', 'random'] as const)(
    'of a prototype embedding that begins %s have elements of variance 1, as normalised images have',
    (embeddingInit) => {
      const config = { ...prototype, embeddingInit }
      expect(buildModel(config).needsPrototypes).toBe(false)
      const matrix = rows(config)
      const values = matrix.flatMap((row) => [...row])
      expect(values.reduce((sum, x) => sum + x * x, 0) / values.length).toBeCloseTo(1, 0)
      if (embeddingInit === 'orthogonal') expect(dot(matrix[0]!, matrix[1]!)).toBeCloseTo(0, 3)
    },
  )

  it('depend on the seed', () => {
    expect(W(unitOf(learned, 1).initialState(1))).not.toEqual(W(unitOf(learned, 1).initialState(2)))
  })
})

test('a radial head gives the posterior of Eqs. 15 and 16', async () => {
  const config = { ...radial, blocks: 1 }
  const model = buildModel(config)
  const state = model.units[0]!.initialState(2)
  const images = syntheticBatch(config, 2).images
  const { head, estimates } = await runChain(model.chain({ batchSize: 2, samples: [false] }), new Map([[1, state]]), {
    images,
    keys: [0, 1],
  })
  const { numClasses, embeddingDim: d, radialSigma } = config
  const matrix = W(state)
  // One block, no noise: b_1 = 0, so z_1 = a_1·û, and û = p·W.
  const p = estimates[0]![0]!
  const alphaBar1 = (Math.cos(((0.5 + 0.008) / 1.008) * (Math.PI / 2)) / Math.cos((0.008 / 1.008) * (Math.PI / 2))) ** 2
  for (let image = 0; image < 2; image++) {
    const z = Array.from({ length: d }, (_, k) => {
      let sum = 0
      for (let y = 0; y < numClasses; y++) sum += p[image * numClasses + y]! * matrix[y * d + k]!
      return Math.sqrt(alphaBar1) * sum
    })
    const softmax = (x: number[]) => {
      const e = x.map((value) => Math.exp(value - Math.max(...x)))
      return e.map((value) => value / e.reduce((sum, term) => sum + term, 0))
    }
    const kernel = state['head.kernel']!
    const linear = Array.from({ length: numClasses }, (_, y) =>
      z.reduce((sum, x, k) => sum + x * kernel[k * numClasses + y]!, state['head.bias']![y]!),
    )
    const mixed = softmax(linear)
    const estimate = Array.from({ length: d }, (_, k) => mixed.reduce((sum, weight, y) => sum + weight * matrix[y * d + k]!, 0))
    const distances = Array.from({ length: numClasses }, (_, y) => estimate.reduce((sum, x, k) => sum + (x - matrix[y * d + k]!) ** 2, 0))
    expectAllClose(
      head[0]!.subarray(image * numClasses, (image + 1) * numClasses),
      softmax(distances.map((distance) => -distance / (2 * radialSigma ** 2))),
      { absolute: 1e-5 },
    )
  }
})

test('the chain decodes with the head and the embedding of the block that trained last', async () => {
  const model = buildModel(learned)
  const states = new Map(model.units.map((unit) => [unit.block, unit.initialState(1)]))
  const images = syntheticBatch(learned, 2).images
  const chain = model.chain({ batchSize: 2, samples: [false] })
  const run = (changed: number) => {
    const state = states.get(changed)!
    const moved = { ...state, 'head.bias': (state['head.bias'] as Float32Array).map((x, i) => x + i) }
    return runChain(chain, new Map([...states, [changed, moved]]), { images, keys: [0, 1] })
  }
  const base = await runChain(chain, states, { images, keys: [0, 1] })
  expect(await run(1)).toEqual(base)
  expect((await run(3)).head).not.toEqual(base.head)
})

test('the chain predicts with the moving averages where there are some', async () => {
  const config = { ...tinyConfig, emaDecay: 0.5 }
  const model = buildModel(config)
  const states = new Map<number, HostTensors>()
  for (const unit of model.units) states.set(unit.block, (await train(config, unit.block, 5)).state)
  const averages = new Map([...states].map(([block, state]) => [block, onlyAverages(state)]))
  const images = syntheticBatch(config, 2).images
  const run = (from: ReadonlyMap<number, HostTensors>) =>
    runChain(model.chain({ batchSize: 2, samples: [true] }), from, { images, keys: [0, 1] })
  expect(await run(states)).toEqual(await run(averages))
  const without = new Map([...states].map(([block, state]) => [block, withoutAverages(state)]))
  expect(await run(without)).not.toEqual(await run(states))
})

function onlyAverages(state: HostTensors): HostTensors {
  return Object.fromEntries(
    Object.entries(state)
      .filter(([name]) => name.startsWith('average/') || name.startsWith('batchNorm/'))
      .map(([name, values]) => [name.replace('average/', ''), values]),
  )
}

function withoutAverages(state: HostTensors): HostTensors {
  return Object.fromEntries(Object.entries(state).filter(([name]) => !name.startsWith('average/')))
}

test('smoothed labels move the target by their share towards the mean of all embeddings', async () => {
  const smooth = { ...learned, labelSmoothing: 0.3, dropout: 0 }
  const unit = unitOf(smooth, 2)
  const plain = unitOf({ ...smooth, labelSmoothing: 0 }, 2)
  const state = unit.initialState(1)
  const inputs = await inputsOf(unit, state, smooth, 0)
  const found = runProgram(unit.trainingProgram(batchSize), state, inputs).outputs
  // The latent keeps the label as it is, so the estimates of both are one, and of one-hot targets the loss is known: compare through W.
  const hard = runProgram(plain.trainingProgram(batchSize), state, inputs).outputs
  expect(found['accuracy']).toEqual(hard['accuracy'])
  expect(found['denoising_loss']![0]).not.toBeCloseTo(hard['denoising_loss']![0]!, 3)
  // ‖û − (1−s)u − s·m‖² = (1−s)‖û − u‖² + s‖û − m‖² − s(1−s)‖u − m‖²; with orthonormal rows ‖u − m‖² = 1 − 1/K.
  const k = smooth.numClasses
  const towardsMean = runProgram(unitOf({ ...smooth, labelSmoothing: 0.999999 }, 2).trainingProgram(batchSize), state, inputs).outputs
  const expected = 0.7 * hard['denoising_loss']![0]! + 0.3 * towardsMean['denoising_loss']![0]! - 0.21 * (1 - 1 / k)
  expect(found['denoising_loss']![0]).toBeCloseTo(expected, 4)
})

test('an image-sized latent passes through an image path of its own', () => {
  tf.tidy(() => {
    const unit = unitOf({ ...prototype, dropout: 0 }, 2)
    const program = unit.trainingProgram(batchSize)
    const state = unit.initialState(1, prototypesFor(prototype))
    const inputs = unit.stepInputs(syntheticBatch(prototype, batchSize), stepAt(0))
    const tensors = toTensors(program.state, state)
    const outputs = () => program.run(tensors, toTensors(program.inputs, inputs)).outputs['denoising_loss']!.dataSync()[0]
    const before = outputs()
    tensors['label.conv1.kernel'] = tf.mul(tensors['label.conv1.kernel']!, 2)
    expect(outputs()).not.toBe(before)
    expect(program.state['label.conv1.kernel']!.shape).toEqual([3, 3, 1, 2])
    expect(program.state['label.dense2.kernel']).toBeUndefined()
  })
})
