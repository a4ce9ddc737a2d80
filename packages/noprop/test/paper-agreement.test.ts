/** The programs of a model against the method written out plainly: Eq. 3 and Eq. 8, with ᾱ from its formula. */

import type { HostTensors } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { buildModel, type ChainResult } from '../src/index.ts'
import { expectAllClose } from './expect-close.ts'
import { plainLogits, type PlainTraining } from './plain-block.ts'
import { type Call, runChain, runProgram, syntheticBatch, tinyConfig, toTensors } from './run-program.ts'

const { blocks, numClasses, eta, dropout } = tinyConfig
const model = buildModel(tinyConfig)

const squaredCosine = (u: number) => Math.cos(((u + 0.008) / 1.008) * (Math.PI / 2)) ** 2
const alphaBar = Array.from({ length: blocks + 1 }, (_, t) => squaredCosine((blocks + 1 - t) / (blocks + 1)) / squaredCosine(0))

/** Away from where training starts: no scale is 1, no offset 0, and every unit has numbers of its own. */
function shiftedState(unit: number): HostTensors {
  const state = model.units[unit]!.initialState(2)
  return Object.fromEntries(
    Object.entries(state).map(([name, values], index) => [
      name,
      name.startsWith('optimizer') ? values : (values as Float32Array).map((value, i) => value + 0.3 * Math.sin(7 * unit + 3 * index + i)),
    ]),
  )
}

const unitStates = new Map(model.units.map(({ block }) => [block, shiftedState(block)]))
const stateTensors = (unit: number) => toTensors(model.units[unit]!.trainingProgram(2).state, unitStates.get(unit)!)

describe('the training step of a block', () => {
  const batchSize = 6
  const batch = syntheticBatch(tinyConfig, batchSize)

  it.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [2, 3],
  ])(
    'of block %i with %i draws has the loss and the batch statistics of the paper, dropout after every convolution included',
    (t, draws) => {
      const unit = buildModel({ ...tinyConfig, noiseSamples: draws }).units[t]!
      const program = unit.trainingProgram(batchSize)
      const state = unitStates.get(t)!
      const inputs = unit.stepInputs(batch, { seed: 4, step: 9, learningRate: 1e-3, batches: 50 })
      const found = runProgram(program, state, inputs)
      tf.tidy(() => {
        const masks = toTensors(program.inputs, inputs)
        const u = tf.oneHot(tf.tensor1d(batch.labels, 'int32'), numClasses)
        const targets = tf.tile(u, [draws, 1])
        const epsilon = tf.tensor2d(inputs['latent.epsilon'] as Float32Array, [draws * batchSize, numClasses])
        const z = tf.add(tf.mul(targets, Math.sqrt(alphaBar[t - 1]!)), tf.mul(epsilon, Math.sqrt(1 - alphaBar[t - 1]!))) as tf.Tensor2D
        const training: PlainTraining = { masks, rate: Math.round(dropout * 65536) / 65536, statistics: {} }
        const images = tf.tensor4d(batch.images, [batchSize, ...tinyConfig.imageShape])
        const estimate = tf.softmax(plainLogits(stateTensors(t), images, z, training))
        const loss = tf.div(tf.sum(tf.squaredDifference(estimate, targets)), draws * batchSize)
        const snr = (s: number) => alphaBar[s]! / (1 - alphaBar[s]!)
        const weight = (blocks / 2) * eta * (snr(t) - snr(t - 1))
        expectAllClose(found.outputs['denoising_loss']!, loss.dataSync(), { relative: 2e-5 })
        expectAllClose(found.outputs['weighted_loss']!, tf.mul(loss, weight).dataSync(), { relative: 2e-5 })

        expect(Object.keys(training.statistics).length).toBe(6)
        for (const [layer, { mean, variance }] of Object.entries(training.statistics)) {
          const rows = layer === 'image.norm' ? batchSize : draws * batchSize
          const moved = (name: string, target: tf.Tensor) => {
            const before = state[`batchNorm/${layer}.${name}`]!
            return Array.from(target.dataSync(), (value, i) => 0.9 * before[i]! + 0.1 * value)
          }
          const tolerance = { relative: 2e-5, absolute: 2e-6 }
          expectAllClose(found.state[`batchNorm/${layer}.mean`]!, moved('mean', mean), tolerance)
          expectAllClose(found.state[`batchNorm/${layer}.variance`]!, moved('variance', tf.mul(variance, rows / (rows - 1))), tolerance)
        }
      })
    },
  )
})

describe('the chain of three blocks', () => {
  const images = 4
  const samples = [true, false, true]
  const rows = samples.length * images
  const chain = model.chain({ batchSize: images, samples })
  const pixels = syntheticBatch(tinyConfig, images).images
  let inputs: HostTensors
  let result: ChainResult
  beforeAll(async () => {
    const calls: Call[] = []
    result = await runChain(chain, unitStates, { images: pixels, keys: [3, 14, 15, 92], seed: 6, calls })
    inputs = calls[0]!.inputs
  })
  const noiseOf = (t: number) => inputs['noise']!.slice((t - 1) * rows * numClasses, t * rows * numClasses) as Float32Array
  const size = images * numClasses

  it('draws other noise at every step of a noisy sample, and none for a noise-free one', () => {
    const draws = [inputs['start'] as Float32Array, ...Array.from({ length: blocks }, (_, i) => noiseOf(i + 1))]
    const ofSamples = draws.flatMap((draw) => samples.map((isNoisy, s) => ({ isNoisy, values: draw.slice(s * size, (s + 1) * size) })))
    for (const { isNoisy, values } of ofSamples) expect(values.some((value) => value !== 0)).toBe(isNoisy)
    const noisy = ofSamples.filter(({ isNoisy }) => isNoisy).map(({ values }) => values.join())
    expect(new Set(noisy).size).toBe(2 * (blocks + 1))
  })

  it('is Eq. 3 over the blocks run one by one, each with its own weights, coefficients and noise', () => {
    const { estimates, head } = result
    const compare = (found: readonly Float32Array[], expected: tf.Tensor) => {
      const values = expected.dataSync<'float32'>()
      samples.forEach((_, s) => expectAllClose(found[s]!, values.subarray(s * size, (s + 1) * size), { relative: 1e-5, absolute: 5e-6 }))
    }
    tf.tidy(() => {
      const seen = tf.tensor4d(pixels, [images, ...tinyConfig.imageShape])
      let z = tf.tensor2d(inputs['start'] as Float32Array, [rows, numClasses])
      for (let t = 1; t <= blocks; t++) {
        const [previous, current] = [alphaBar[t - 1]!, alphaBar[t]!]
        const alpha = previous / current
        const a = (Math.sqrt(current) * (1 - alpha)) / (1 - previous)
        const b = (Math.sqrt(alpha) * (1 - current)) / (1 - previous)
        const c = ((1 - current) * (1 - alpha)) / (1 - previous)
        const estimate = tf.softmax(plainLogits(stateTensors(t), seen, z))
        compare(estimates[t - 1]!, estimate)
        const epsilon = tf.tensor2d(noiseOf(t), [rows, numClasses])
        z = tf.add(tf.add(tf.mul(estimate, a), tf.mul(z, b)), tf.mul(epsilon, Math.sqrt(c)))
      }
      const { 'head.kernel': kernel, 'head.bias': bias } = stateTensors(0)
      compare(head, tf.softmax(tf.add(tf.matMul(z, kernel as tf.Tensor2D), bias!)))
    })
  })
})
