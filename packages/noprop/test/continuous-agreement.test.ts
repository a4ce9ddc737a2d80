/** The losses of continuous time against Eqs. 9–13 written out plainly, on the numbers that a step is given. */

import type { HostTensors } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import { timeConditionedNetwork } from '../src/block/time-conditioned-network.ts'
import { trainingMode } from '../src/block/training-mode.ts'
import type { ModelConfig } from '../src/index.ts'
import { hostSchedule } from '../src/schedule/learned-schedule.ts'
import { expectAllClose } from './expect-close.ts'
import { runProgram, stepAt, syntheticBatch, tinyConfig, toTensors } from './run-program.ts'
import { batchSize, prototypesFor, unitOf } from './unit-properties.ts'

const draws = 3
const base: ModelConfig = { ...tinyConfig, optimizer: 'adam', eta: 0.7, noiseSamples: draws }
const { numClasses } = base
const batch = syntheticBatch(base, batchSize)

/** The unit's own numbers after one step, and everything that the plain formulas need. */
function setUp(config: ModelConfig) {
  const unit = unitOf(config, 1)
  const program = unit.trainingProgram(batchSize)
  const state: HostTensors = unit.initialState(2, prototypesFor(config))
  // A schedule that is not where it began.
  for (const name of Object.keys(state).filter((key) => key.startsWith('schedule.'))) state[name] = state[name]!.map((x) => 0.8 * x)
  const inputs = unit.stepInputs(batch, stepAt(7))
  const { outputs } = runProgram(program, state, inputs)

  const [w, given] = [toTensors(program.state, state), toTensors(program.inputs, inputs)]
  const matrix = (w['embedding.matrix'] as tf.Tensor2D | undefined) ?? (tf.eye(numClasses) as tf.Tensor2D)
  const dim = matrix.shape[1]
  const smoothing = config.labelSmoothing
  const indicators = tf.tile(tf.oneHot(tf.tensor1d(batch.labels, 'int32'), numClasses), [draws, 1]) as tf.Tensor2D
  const targets = tf.add(tf.mul(indicators, 1 - smoothing), smoothing / numClasses) as tf.Tensor2D
  const network = timeConditionedNetwork({ ...config, embeddingDim: dim, latentIsImage: config.embedding === 'prototype' })
  const mode = trainingMode(w, given, config.dropout, {})
  return {
    outputs,
    state,
    matrix,
    times: inputs['times'] as Float32Array,
    /** One column of numbers, one for each latent. */
    column: (f: (t: number) => number) => tf.tensor2d(Array.from(inputs['times']!, f), [draws * batchSize, 1]),
    noise: (name: string) => tf.reshape(given[`${name}.epsilon`]!, [draws * batchSize, dim]),
    u: tf.matMul(indicators, matrix),
    target: tf.matMul(targets, matrix),
    logits(z: tf.Tensor) {
      const imagePart = network.imagePart(w, given['images'] as tf.Tensor4D, mode)
      const timePart = network.timePart(w, given['timeEmbeddings'] as tf.Tensor2D)
      return network.logits(w, { imagePart, timePart }, z as tf.Tensor2D, mode)
    },
    crossEntropy(z: tf.Tensor) {
      const logits = tf.add(tf.matMul(z as tf.Tensor2D, w['head.kernel'] as tf.Tensor2D), w['head.bias']!)
      return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), targets), 1)))
    },
    squares: (x: tf.Tensor) => tf.sum(tf.square(x), 1),
  }
}

function expectOutputs(outputs: HostTensors, expected: Record<string, tf.Tensor>) {
  for (const [name, tensor] of Object.entries(expected)) expectAllClose(outputs[name]!, tensor.dataSync(), { relative: 5e-5 })
}

describe.each([
  ['one-hot', 0],
  ['learned', 0],
  ['learned', 0.2],
  ['prototype', 0],
] as const)('with the %s embedding and label smoothing %f', (embedding, labelSmoothing) => {
  it('NoProp-CT minimises Eq. 9', () => {
    const config = { ...base, method: 'noprop-ct', embedding, labelSmoothing } as const
    tf.tidy(() => {
      const plain = setUp(config)
      const { gamma, gammaSlope } = hostSchedule(plain.state)
      const alphaBar = (t: number) => 1 / (1 + Math.exp(gamma(t)))
      const latent = (noise: tf.Tensor, level: (t: number) => number) =>
        tf.add(
          tf.mul(
            plain.u,
            plain.column((t) => Math.sqrt(level(t))),
          ),
          tf.mul(
            noise,
            plain.column((t) => Math.sqrt(1 - level(t))),
          ),
        )

      const estimate = tf.matMul(tf.softmax(plain.logits(latent(plain.noise('latent'), alphaBar))), plain.matrix)
      const errors = plain.squares(tf.sub(estimate, plain.target))
      const snrSlope = tf.tensor1d(Array.from(plain.times, (t) => -gammaSlope(t) * Math.exp(-gamma(t))))
      const [start, dim] = [alphaBar(0), plain.matrix.shape[1]]
      const norm = tf.mean(plain.squares(plain.u))
      expectOutputs(plain.outputs, {
        denoising_loss: tf.mean(errors),
        weighted_loss: tf.mul(tf.mean(tf.mul(errors, snrSlope)), config.eta / 2),
        cross_entropy: plain.crossEntropy(latent(plain.noise('last'), () => alphaBar(1))),
        kl: tf.mul(tf.sub(tf.mul(norm, start), dim * (start + Math.log1p(-start))), 0.5),
        gamma_0: tf.scalar(gamma(1)),
        gamma_1: tf.scalar(gamma(0)),
      })
    })
  })

  it.each([0, 0.3])('NoProp-FM minimises Eqs. 10–13 with σ = %f', (fmSigma) => {
    const config = { ...base, method: 'noprop-fm', embedding, labelSmoothing, fmSigma } as const
    tf.tidy(() => {
      const plain = setUp(config)
      const start = plain.noise('start')
      const mean = tf.add(
        tf.mul(
          plain.u,
          plain.column((t) => t),
        ),
        tf.mul(
          start,
          plain.column((t) => 1 - t),
        ),
      )
      const z = fmSigma > 0 ? tf.add(mean, tf.mul(plain.noise('path'), fmSigma)) : mean
      const velocity = tf.matMul(plain.logits(z), plain.matrix)
      const flow = tf.mean(plain.squares(tf.sub(velocity, tf.sub(plain.target, start))))
      const end = tf.add(
        z,
        tf.mul(
          velocity,
          plain.column((t) => 1 - t),
        ),
      )
      const distances = tf.sum(tf.squaredDifference(tf.expandDims(end, 1), tf.expandDims(plain.matrix, 0)), 2)
      const nearest = Array.from(tf.argMin(distances, 1).dataSync())
      expectOutputs(plain.outputs, {
        denoising_loss: flow,
        weighted_loss: flow,
        accuracy: tf.scalar(nearest.filter((y, i) => y === batch.labels[i % batchSize]).length / nearest.length),
        ...(embedding === 'one-hot' ? {} : { cross_entropy: plain.crossEntropy(end) }),
      })
    })
  })
})

describe('the times of a step', () => {
  it('are uniform in [0, 1), one for each draw and image', () => {
    const unit = unitOf({ ...base, method: 'noprop-ct' }, 1)
    const times = Array.from({ length: 400 }, (_, step) => Array.from(unit.stepInputs(batch, stepAt(step))['times']!)).flat()
    const counts = new Array<number>(10).fill(0)
    for (const t of times) counts[Math.floor(t * 10)]!++
    expect(counts.length).toBe(10)
    expect(times.length).toBe(400 * draws * batchSize)
    // Each count is binomial with p = 1/10.
    const deviation = Math.sqrt(times.length * 0.1 * 0.9)
    for (const count of counts) expect(Math.abs(count - times.length / 10)).toBeLessThan(4 * deviation)
  })
})
