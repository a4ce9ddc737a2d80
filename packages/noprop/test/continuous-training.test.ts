/** Training in continuous time: one unit that holds the whole network. */

import { describe, expect, it } from 'vitest'
import { buildModel, type ModelConfig } from '../src/index.ts'
import { expectAllClose } from './expect-close.ts'
import { runProgram, stepAt, syntheticBatch, tinyConfig } from './run-program.ts'
import { copyTensors } from './train-unit.ts'
import { batchSize, expectExactGradients, itIsATrainingUnit, prototypesFor, train, unitOf } from './unit-properties.ts'

const methods = ['noprop-ct', 'noprop-fm'] as const
const embeddings = ['one-hot', 'learned', 'prototype'] as const
const variants = methods.flatMap((method) => embeddings.map((embedding) => [method, embedding] as const))

const base: ModelConfig = { ...tinyConfig, optimizer: 'adam', eta: 1 }
const batch = syntheticBatch(base, batchSize)
const data = prototypesFor(base)

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

describe.each(variants)('%s with the %s embedding', (method, embedding) => {
  const config: ModelConfig = { ...base, method, embedding }
  const unit = unitOf({ ...config, noiseSamples: 2 }, 1)

  itIsATrainingUnit({ config: { ...config, emaDecay: 0.9 }, block: 1, loss: 'weighted_loss', share: method === 'noprop-ct' ? 0.8 : 0.92 })

  it('has the metrics of its losses', async () => {
    const names = Object.keys((await train(config, 1, 1)).metrics[0]!).sort()
    const expected = ['accuracy', 'denoising_loss', 'gradient_norm', 'update_ratio', 'weighted_loss']
    if (method === 'noprop-ct') expected.push('gamma_0', 'gamma_1', 'kl')
    if (method === 'noprop-ct' || embedding !== 'one-hot') expected.push('cross_entropy')
    expect(names).toEqual(expected.sort())
  })

  it('has a gradient that agrees with finite differences of its loss in every weight tensor', () => {
    const atLeast = ['image.conv3.kernel', 'fusion.dense1.timeKernel', 'fusion.dense3.kernel', 'fusion.dense3.bias']
    if (method === 'noprop-ct') atLeast.push('schedule.gamma0', 'schedule.dense1.shifts')
    if (method === 'noprop-ct' || embedding !== 'one-hot') atLeast.push('head.kernel', 'head.bias')
    if (embedding !== 'one-hot') atLeast.push('embedding.matrix')
    expectExactGradients({
      // Plain gradients: the L2 term of Adam is no part of the loss.
      config: { ...config, noiseSamples: 2, labelSmoothing: 0.1, weightDecay: 0 },
      block: 1,
      loss: (outputs) => ['weighted_loss', 'cross_entropy', 'kl'].map((name) => outputs[name]?.[0] ?? 0),
      atLeast,
    })
  })

  it('takes several equal draws as one', () => {
    const [single, double] = [1, 2].map((noiseSamples) => unitOf({ ...config, dropout: 0, noiseSamples }, 1))
    const inputs = copyTensors(single!.stepInputs(batch, stepAt(0)))
    const perDraw = Object.keys(inputs).filter((name) => name.startsWith('time') || name.endsWith('.epsilon'))
    expect(perDraw.length).toBeGreaterThan(2)
    const twice = copyTensors(inputs)
    for (const name of perDraw) twice[name] = Float32Array.of(...(inputs[name] as Float32Array), ...(inputs[name] as Float32Array))
    const state = single!.initialState(1, data)
    const one = runProgram(single!.trainingProgram(batchSize), state, inputs)
    const two = runProgram(double!.trainingProgram(batchSize), state, twice)
    for (const [name, values] of Object.entries(one.outputs)) expectAllClose(two.outputs[name]!, values, { relative: 1e-4 })
  })

  it('draws other times, latents and masks in every step and for every seed, and the same when asked again', () => {
    const draw = (step: number, seed: number) => {
      const inputs = copyTensors(unit.stepInputs(batch, stepAt(step, seed)))
      const isDrawn = (name: string) => !['images', 'labels'].includes(name) && !name.startsWith('optimizer')
      return Object.fromEntries(Object.entries(inputs).filter(([name]) => isDrawn(name)))
    }
    const drawn = draw(5, 1)
    expect(draw(5, 1)).toEqual(drawn)
    for (const other of [draw(6, 1), draw(5, 2)]) for (const name of Object.keys(drawn)) expect(other[name], name).not.toEqual(drawn[name])
    const noises = Object.entries(drawn).filter(([name]) => name.endsWith('.epsilon'))
    expect(new Set(noises.map(([, values]) => String(values))).size).toBe(noises.length)
    for (const [, values] of noises) expect(values.slice(0, values.length / 2)).not.toEqual(values.slice(values.length / 2))
  })
})
