/** What holds for the training of every baseline, whatever it minimises. */

import type { HostTensors } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { buildModel, type Method, type ModelConfig, ModelConfigError, ShapeError } from '../src/index.ts'
import { expectAllClose } from './expect-close.ts'
import { type Call, runChain, stepAt, syntheticBatch, tinyConfig, toTensors } from './run-program.ts'
import { copyTensors, completeInputs, takeStep, trainUnit } from './train-unit.ts'

interface Case {
  readonly method: Method
  /** the metric that training lowers */
  readonly loss: string
  readonly metrics: readonly string[]
}

const cases: readonly Case[] = [
  { method: 'backprop', loss: 'cross_entropy', metrics: ['accuracy', 'cross_entropy', 'gradient_norm', 'update_ratio'] },
  { method: 'adjoint', loss: 'cross_entropy', metrics: ['accuracy', 'cross_entropy', 'gradient_norm', 'update_ratio'] },
  {
    method: 'forward-forward',
    loss: 'weighted_loss',
    metrics: ['accuracy', 'gradient_norm', 'negative_goodness', 'positive_goodness', 'update_ratio', 'weighted_loss'],
  },
]

const batchSize = 6
const batch = syntheticBatch(tinyConfig, batchSize)

describe.each(cases)('$method', ({ method, loss: lossName, metrics: metricNames }) => {
  const config: ModelConfig = { ...tinyConfig, method }
  const build = (changes: Partial<ModelConfig> = {}) => buildModel({ ...config, ...changes })
  const unitOf = (changes?: Partial<ModelConfig>) => build(changes).units[0]!
  const model = build()
  const unit = unitOf()

  it('is one unit, number 1, whose weights are all those of the model', () => {
    expect(model.units.map(({ block }) => block)).toEqual([1])
    expect(unit.parameterCount).toBe(model.parameters.total)
    expect(unit.stepsPerEpoch(430)).toBe(430)
  })

  it('lowers its loss', async () => {
    const learner = unitOf({ dropout: 0, noiseSamples: 4, blocks: 2, features: 24 })
    const { metrics } = await trainUnit(learner, { batch, steps: 60, learningRate: 2e-2 })
    const loss = metrics.map((values) => values[lossName]!)
    const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length
    expect(mean(loss.slice(-5))).toBeLessThan(0.6 * mean(loss.slice(0, 5)))
  })

  it('measures its loss, its accuracy, the norm of its whole gradient and the size of its update', async () => {
    const { state, metrics } = await trainUnit(unit, { batch, steps: 1 })
    expect(Object.keys(metrics[0]!).sort()).toEqual(metricNames)
    // After one step from zero the first moment, kept as a sum, is the gradient.
    const squares = Object.entries(state).filter(([name]) => name.startsWith('optimizer.m/'))
    const norm = Math.sqrt(squares.reduce((sum, [, values]) => sum + Math.hypot(...values) ** 2, 0))
    expect(metrics[0]!['gradient_norm']! / norm).toBeCloseTo(1, 4)
  })

  it('gives the same bits for the same seed and others for another', async () => {
    const once = await trainUnit(unit, { batch, steps: 4 })
    expect(await trainUnit(unitOf(), { batch, steps: 4 })).toEqual(once)
    expect((await trainUnit(unit, { batch, steps: 4, seed: 2 })).metrics).not.toEqual(once.metrics)
  })

  it('goes on from a copy of its state as if it had never stopped', async () => {
    const stopped = copyTensors((await trainUnit(unit, { batch, steps: 3 })).state)
    const { state } = await takeStep(unitOf(), stopped, batch, stepAt(3))
    expect(state).toEqual((await trainUnit(unit, { batch, steps: 4 })).state)
  })

  it('leaves no tensor behind', async () => {
    await trainUnit(unit, { batch, steps: 1 })
    const before = tf.memory().numTensors
    await trainUnit(unit, { batch, steps: 2 })
    expect(tf.memory().numTensors).toBe(before)
  })

  it('has exactly the state and the inputs that its program declares', async () => {
    for (const changes of [{}, { emaDecay: 0.9, noiseSamples: 2, dropout: 0 }]) {
      const changed = unitOf(changes)
      const program = changed.trainingProgram(batchSize)
      const state = changed.initialState(1)
      const inputs = await completeInputs(changed, state, batch, stepAt(0))
      expect(Object.keys(state).sort()).toEqual(Object.keys(program.state).sort())
      expect(Object.keys(inputs).sort()).toEqual(Object.keys(program.inputs).sort())
      const next = tf.tidy(() => {
        const result = program.run(toTensors(program.state, state), toTensors(program.inputs, inputs))
        return Object.entries(result.state).map(([name, tensor]) => [name, tensor.shape])
      })
      expect(next.length).toBeGreaterThan(0)
      for (const [name, shape] of next) expect(shape, String(name)).toEqual(program.state[String(name)]!.shape)
    }
  })

  it('draws other numbers in every step and for every seed, and the same when asked again', () => {
    const drawn = (step: number, seed: number) => {
      const { images, labels, ...rest } = unit.stepInputs(batch, stepAt(step, seed))
      return copyTensors(Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith('optimizer'))))
    }
    const first = drawn(5, 1)
    expect(Object.keys(first).length).toBeGreaterThan(3)
    expect(drawn(5, 1)).toEqual(first)
    for (const other of [drawn(6, 1), drawn(5, 2)])
      for (const name of Object.keys(first)) expect(other[name], name).not.toEqual(first[name])
  })

  it('refuses a label that is no class, and images of another size', () => {
    const labels = batch.labels.slice()
    labels[3] = config.numClasses
    expect(() => unit.stepInputs({ ...batch, labels }, stepAt(0))).toThrow(ShapeError)
    expect(() => unit.stepInputs({ ...batch, images: batch.images.subarray(1) }, stepAt(0))).toThrow(ShapeError)
  })

  describe('the chain', () => {
    const keys = [10, 11, 12, 13]
    const { images } = syntheticBatch(config, keys.length)
    const imageSize = images.length / keys.length
    let states: ReadonlyMap<number, HostTensors>
    beforeAll(async () => {
      states = new Map([[1, (await trainUnit(unit, { batch, steps: 5 })).state]])
    })
    const predict = (pixels: Float32Array, of: number[], samples: boolean[], seed = 3, calls: Call[] = []) => {
      return runChain(model.chain({ batchSize: of.length, samples }), states, { images: pixels, keys: of, seed, calls })
    }

    it('gives class probabilities at every reported step, for every sample and image', async () => {
      const { estimates, head } = await predict(images, keys, [false, true])
      expect(estimates.map((samples) => samples.length)).toEqual(model.reportedSteps.map(() => 2))
      for (const probabilities of [...estimates.flat(), ...head]) {
        expect(probabilities.length).toBe(keys.length * config.numClasses)
        for (let i = 0; i < keys.length; i++) {
          const row = probabilities.subarray(i * config.numClasses, (i + 1) * config.numClasses)
          expect(row.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5)
          expect(Math.min(...row)).toBeGreaterThanOrEqual(0)
        }
      }
    })

    it('gives an image the same result in any batch', async () => {
      const together = await predict(images, keys, [false, true])
      const alone = await predict(images.slice(2 * imageSize, 3 * imageSize), [12], [false, true])
      const row = (probabilities: Float32Array) => probabilities.subarray(2 * config.numClasses, 3 * config.numClasses)
      together.estimates.forEach((samples, t) => samples.forEach((p, s) => expectAllClose(alone.estimates[t]![s]!, row(p))))
      together.head.forEach((p, s) => expectAllClose(alone.head[s]!, row(p)))
    })

    it('does not depend on seed and keys where it is noise-free', async () => {
      const base = await predict(images, keys, [true, false])
      for (const other of [await predict(images, keys, [true, false], 4), await predict(images, [20, 21, 22, 23], [true, false])])
        expect([other.head[1], other.estimates.map((samples) => samples[1])]).toEqual([
          base.head[1],
          base.estimates.map((samples) => samples[1]),
        ])
      expect(await predict(images, keys, [true, false])).toEqual(base)
    })

    it('takes nothing that knows the label', () => {
      const names = Object.values(model.chain({ batchSize: 2, samples: [true] }).programs).flatMap(({ inputs }) => Object.keys(inputs))
      for (const name of names) expect(name).not.toContain('label')
    })

    it('needs no optimizer state, and predicts with the moving averages where there are some', () => {
      const chain = model.chain({ batchSize: 1, samples: [false] })
      const state = states.get(1)!
      const weightsOnly = Object.fromEntries(Object.entries(state).filter(([name]) => !name.startsWith('optimizer')))
      const weights = chain.weights(new Map([[1, state]]))
      expect(chain.weights(new Map([[1, weightsOnly]]))).toEqual(weights)
      for (const [name, { state: declared }] of Object.entries(chain.programs))
        expect(Object.keys(weights[name]!).sort()).toEqual(Object.keys(declared).sort())
      const averages = Object.entries(weightsOnly).filter(([name]) => !name.includes('batchNorm'))
      const doubled = Object.fromEntries(averages.map(([name, values]) => [`average/${name}`, (values as Float32Array).map((x) => 2 * x)]))
      const served = { ...weightsOnly, ...Object.fromEntries(averages.map(([name]) => [name, doubled[`average/${name}`]!])) } as HostTensors
      expect(chain.weights(new Map([[1, { ...weightsOnly, ...doubled }]]))).toEqual(chain.weights(new Map([[1, served]])))
    })

    it('leaves no tensor behind', async () => {
      await predict(images, keys, [true])
      const before = tf.memory().numTensors
      await predict(images, keys, [true, false])
      expect(tf.memory().numTensors).toBe(before)
    })

    it('refuses what does not fit it', async () => {
      await expect(predict(images.subarray(1), keys, [true])).rejects.toThrow(ShapeError)
      await expect(predict(images, [1], [true])).rejects.toThrow(ShapeError)
      expect(() => model.chain({ batchSize: 1, samples: [true] }).weights(new Map())).toThrow(ShapeError)
      expect(() => model.chain({ batchSize: 0, samples: [true] })).toThrow(ModelConfigError)
      expect(() => model.chain({ batchSize: 1, samples: [] })).toThrow(ModelConfigError)
    })
  })
})
