/** Training in continuous time: one unit that holds the whole network. */

import type { HostTensors } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import { buildModel, type ModelConfig, ShapeError } from '../src/index.ts'
import { expectAllClose } from './expect-close.ts'
import { runProgram, stepAt, syntheticBatch, tinyConfig, toTensors } from './run-program.ts'

const methods = ['noprop-ct', 'noprop-fm'] as const
const embeddings = ['one-hot', 'learned', 'prototype'] as const
const variants = methods.flatMap((method) => embeddings.map((embedding) => [method, embedding] as const))

const base: ModelConfig = { ...tinyConfig, optimizer: 'adam', eta: 1 }
const batchSize = 6
const batch = syntheticBatch(base, batchSize)
/** Images of no class in particular. */
const data = { prototypes: syntheticBatch(base, base.numClasses, 1000).images }

function unitOf(config: Partial<ModelConfig>) {
  return buildModel({ ...base, ...config }).units[0]!
}

function train(config: Partial<ModelConfig>, steps: number, seed = 1, learningRate = 1e-2) {
  const unit = unitOf(config)
  const program = unit.trainingProgram(batchSize)
  let state = unit.initialState(seed, data)
  const metrics: Record<string, number>[] = []
  for (let step = 0; step < steps; step++) {
    const result = runProgram(program, state, unit.stepInputs(batch, stepAt(step, seed, learningRate)))
    state = result.state
    metrics.push(unit.readMetrics(result.outputs))
  }
  return { state, metrics }
}

/** Arrays of their own. */
function copyOf(tensors: HostTensors): HostTensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, values]) => [name, values.slice()]))
}

describe('the network of continuous time', () => {
  it.each([
    ['one-hot', 10, [28, 28, 1], 867_722],
    ['learned', 10, [28, 28, 1], 870_282],
    ['prototype', 10, [28, 28, 1], 1_482_122],
    ['one-hot', 10, [32, 32, 3], 1_163_210],
    ['learned', 10, [32, 32, 3], 1_165_770],
    ['prototype', 10, [32, 32, 3], 2_073_098],
    ['one-hot', 100, [32, 32, 3], 1_197_860],
    ['learned', 100, [32, 32, 3], 1_177_380],
    ['prototype', 100, [32, 32, 3], 2_084_708],
  ] as const)('has as many parameters as the paper’s: %s, %i classes, images of %j', (embedding, numClasses, imageShape, count) => {
    for (const method of methods) {
      const config = { method, embedding, numClasses, imageShape, channels: [32, 64, 128], features: 256, embeddingDim: 20 } as const
      const { parameters, units } = buildModel({ ...base, ...config })
      expect(parameters.perBlock).toBe(count)
      expect(parameters.total).toBe(units[0]!.parameterCount)
      expect(parameters.total).toBe(parameters.perBlock + parameters.shared)
    }
  })
})

describe.each(variants)('training %s with the %s embedding', (method, embedding) => {
  const config = { method, embedding }

  it('lowers its loss', () => {
    const { metrics } = train({ ...config, dropout: 0, noiseSamples: 4, features: 24 }, 30, 1, 2e-2)
    const loss = metrics.map((values) => values['weighted_loss']!)
    const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length
    expect(mean(loss.slice(-5))).toBeLessThan((method === 'noprop-ct' ? 0.7 : 0.92) * mean(loss.slice(0, 5)))
  })

  it('gives the same bits for the same seed and others for another', () => {
    const once = train(config, 3)
    expect(train(config, 3)).toEqual(once)
    expect(train(config, 3, 2).metrics).not.toEqual(once.metrics)
  })

  it('goes on from a copy of its state as if it had never stopped', () => {
    const resumed = unitOf({ ...config, emaDecay: 0.9 })
    const stopped = copyOf(train({ ...config, emaDecay: 0.9 }, 2).state)
    const { state } = runProgram(resumed.trainingProgram(batchSize), stopped, resumed.stepInputs(batch, stepAt(2)))
    expect(state).toEqual(train({ ...config, emaDecay: 0.9 }, 3).state)
  })

  it('leaves no tensor behind', () => {
    train(config, 1)
    const before = tf.memory().numTensors
    train(config, 2)
    expect(tf.memory().numTensors).toBe(before)
  })

  it('has exactly the state and the inputs that its program declares', () => {
    const unit = unitOf({ ...config, emaDecay: 0.9 })
    const program = unit.trainingProgram(batchSize)
    const [state, inputs] = [unit.initialState(1, data), unit.stepInputs(batch, stepAt(0))]
    expect(Object.keys(state).sort()).toEqual(Object.keys(program.state).sort())
    expect(Object.keys(inputs).sort()).toEqual(Object.keys(program.inputs).sort())
    const next = tf.tidy(() => {
      const result = program.run(toTensors(program.state, state), toTensors(program.inputs, inputs))
      return Object.entries(result.state).map(([name, tensor]): [string, number[]] => [name, tensor.shape])
    })
    expect(next.map(([name]) => name).sort()).toEqual(Object.keys(program.state).sort())
    for (const [name, shape] of next) expect(shape, name).toEqual(program.state[name]!.shape)
  })

  it('has a gradient that agrees with finite differences of its loss in every weight tensor', () => {
    const unit = unitOf({ ...config, noiseSamples: 2, labelSmoothing: 0.1 })
    const images = 5
    const program = unit.trainingProgram(images)
    const inputs = copyOf(unit.stepInputs(syntheticBatch(base, images), stepAt(0)))
    // Plain gradients: the L2 term of Adam is no part of the loss.
    inputs['optimizer.decay'] = Float32Array.of(0)
    const state = unit.initialState(4, data)
    const terms = (changed: HostTensors) => {
      const { outputs } = runProgram(program, changed, inputs)
      return ['weighted_loss', 'cross_entropy', 'kl'].map((name) => outputs[name]?.[0] ?? 0)
    }
    const after = runProgram(program, state, inputs).state
    const names = Object.keys(state).filter((name) => !name.includes('/'))
    const compared: string[] = []
    for (const name of names) {
      const gradient = after[`optimizer.m/${name}`] as Float32Array
      const norm = Math.hypot(...gradient)
      const moved = (by: number) => ({
        ...state,
        [name]: (state[name] as Float32Array).map((value, i) => value + (by * gradient[i]!) / norm),
      })
      // Small, because ReLU and pooling have a kink wherever two activations meet; the schedule moves them all but little.
      const h = name.startsWith('schedule.') ? 4e-3 : 4e-4
      const [ahead, behind] = [terms(moved(h)), terms(moved(-h))]
      const numeric = ahead.reduce((sum, term, i) => sum + (term - behind[i]!) / (2 * h), 0)
      // What is left of the difference of two numbers that are rounded to 24 bits, where they differ at all.
      const rounding = ahead.reduce((sum, term, i) => sum + (term === behind[i] ? 0 : (4 * term * 2 ** -24) / h), 0)
      if (norm < 5 * rounding) continue
      expect(Math.abs(numeric - norm), `${name}: ${numeric} against ${norm}`).toBeLessThan(0.03 * norm + rounding)
      compared.push(name)
    }
    const expected = ['image.conv3.kernel', 'fusion.dense1.timeKernel', 'fusion.dense3.kernel', 'fusion.dense3.bias']
    if (method === 'noprop-ct') expected.push('schedule.gamma0', 'schedule.dense1.shifts')
    if (method === 'noprop-ct' || embedding !== 'one-hot') expected.push('head.kernel', 'head.bias')
    if (embedding !== 'one-hot') expected.push('embedding.matrix')
    expect(compared).toEqual(expect.arrayContaining(expected))
  })

  it('takes several equal draws as one', () => {
    const [single, double] = [1, 2].map((noiseSamples) => unitOf({ ...config, dropout: 0, noiseSamples }))
    const inputs = copyOf(single!.stepInputs(batch, stepAt(0)))
    const perDraw = Object.keys(inputs).filter((name) => name.startsWith('time') || name.endsWith('.epsilon'))
    expect(perDraw.length).toBeGreaterThan(2)
    const twice = copyOf(inputs)
    for (const name of perDraw) twice[name] = Float32Array.of(...(inputs[name] as Float32Array), ...(inputs[name] as Float32Array))
    const state = single!.initialState(1, data)
    const one = runProgram(single!.trainingProgram(batchSize), state, inputs)
    const two = runProgram(double!.trainingProgram(batchSize), state, twice)
    for (const [name, values] of Object.entries(one.outputs)) expectAllClose(two.outputs[name]!, values, { relative: 1e-4 })
  })

  it('draws other times, latents and masks in every step and for every seed, and the same when asked again', () => {
    const unit = unitOf({ ...config, noiseSamples: 2 })
    const draw = (step: number, seed: number) => {
      const { images: _, labels: __, ...rest } = copyOf(unit.stepInputs(batch, stepAt(step, seed)))
      return Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith('optimizer')))
    }
    const drawn = draw(5, 1)
    expect(draw(5, 1)).toEqual(drawn)
    for (const other of [draw(6, 1), draw(5, 2)]) for (const name of Object.keys(drawn)) expect(other[name], name).not.toEqual(drawn[name])
    const noises = Object.entries(drawn).filter(([name]) => name.endsWith('.epsilon'))
    expect(new Set(noises.map(([, values]) => String(values))).size).toBe(noises.length)
    for (const [, values] of noises) expect(values.slice(0, values.length / 2)).not.toEqual(values.slice(values.length / 2))
  })

  it('refuses labels and images that are not the model’s', () => {
    const unit = unitOf(config)
    const labels = batch.labels.slice()
    labels[3] = base.numClasses
    expect(() => unit.stepInputs({ ...batch, labels }, stepAt(0))).toThrow(ShapeError)
    expect(() => unit.stepInputs({ ...batch, images: batch.images.subarray(1) }, stepAt(0))).toThrow(ShapeError)
  })
})
