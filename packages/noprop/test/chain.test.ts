import type { HostTensors } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import { chainStep } from '../src/chain/chain-step.ts'
import { drawChainNoise } from '../src/chain/chain-noise.ts'
import { buildModel, cosineSchedule, ModelConfigError, ShapeError } from '../src/index.ts'
import { expectAllClose } from './expect-close.ts'
import { type Call, runChain, runProgram, stepAt, syntheticBatch, tinyConfig } from './run-program.ts'

const model = buildModel(tinyConfig)
const { blocks, numClasses } = tinyConfig

/** States a few steps away from the start, so that running statistics and weights are not what they began as. */
const states = new Map<number, HostTensors>(
  model.units.map((unit) => {
    let state = unit.initialState(1)
    const program = unit.trainingProgram(8)
    for (let step = 0; step < 5; step++) {
      state = runProgram(program, state, unit.stepInputs(syntheticBatch(tinyConfig, 8, step), stepAt(step, 1, 5e-3))).state
    }
    return [unit.block, state]
  }),
)

function predict(images: Float32Array, keys: number[], samples: boolean[], seed = 3) {
  return runChain(model.chain({ batchSize: keys.length, samples }), states, { images, keys, seed })
}

const images = syntheticBatch(tinyConfig, 4).images
const imageSize = images.length / 4
const keys = [10, 11, 12, 13]

describe('the chain', () => {
  it('gives class probabilities for every block, sample and image, and for the head', async () => {
    const { estimates, head } = await predict(images, keys, [false, true])
    expect(estimates.map((samples) => samples.length)).toEqual(new Array(blocks).fill(2))
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
    expectAllClose(beside.estimates[blocks - 1]![1]!, noisy.estimates[blocks - 1]![0]!)
    expectAllClose(beside.estimates[blocks - 1]![0]!, noiseFree.estimates[blocks - 1]![0]!)
    expect(beside.head[1]).not.toEqual(beside.head[2])
  })

  it('depends on the seed and the key only where there is noise', async () => {
    const base = await predict(images, keys, [true, false])
    const otherSeed = await predict(images, keys, [true, false], 4)
    const otherKeys = await predict(images, [20, 21, 22, 23], [true, false])
    for (const other of [otherSeed, otherKeys]) {
      expect(other.head[0]).not.toEqual(base.head[0])
      expect(other.head[1]).toEqual(base.head[1])
    }
    expect(await predict(images, keys, [true, false])).toEqual(base)
  })

  it('follows Eq. 3 with the weights of each block', async () => {
    const single = buildModel({ ...tinyConfig, blocks: 1 })
    const unit = single.units[1]!
    const chain = single.chain({ batchSize: 4, samples: [true] })
    const weights = new Map([0, 1].map((block) => [block, single.units[block]!.initialState(1)]))
    const calls: Call[] = []
    const { estimates, head } = await runChain(chain, weights, { images, keys, calls })
    const { inputs } = calls[0]!
    const { a, b, c } = cosineSchedule(1).chainCoefficients(1)
    const z = estimates[0]![0]!.map((u, i) => a * u + b * inputs['start']![i]! + Math.sqrt(c) * inputs['noise']![i]!)
    const { 'head.kernel': kernel, 'head.bias': bias } = weights.get(0)!
    const logits = Array.from({ length: 4 * numClasses }, (_, i) => {
      const [row, column] = [Math.floor(i / numClasses), i % numClasses]
      return (
        bias![column]! +
        Array.from({ length: numClasses }, (_, k) => z[row * numClasses + k]! * kernel![k * numClasses + column]!).reduce((x, y) => x + y)
      )
    })
    const expected = tf.tidy(() => tf.softmax(tf.tensor2d(logits, [4, numClasses])).dataSync())
    expectAllClose(head[0]!, expected)
    expect(unit.block).toBe(1)
  })

  it('takes images and draws and nothing that knows the label', async () => {
    const chain = model.chain({ batchSize: 2, samples: [true] })
    const calls: Call[] = []
    await runChain(chain, states, { images: images.subarray(0, 2 * imageSize), keys: [0, 1], calls })
    expect(Object.keys(chain.programs)).toEqual(['chain'])
    expect(Object.keys(chain.programs['chain']!.inputs).sort()).toEqual(['images', 'noise', 'start'])
    expect(calls.map(({ inputs }) => Object.keys(inputs).sort())).toEqual([['images', 'noise', 'start']])
  })

  it('needs no optimizer state', () => {
    const weightsOnly = new Map(
      [...states].map(([block, state]) => [
        block,
        Object.fromEntries(Object.entries(state).filter(([name]) => !name.startsWith('optimizer'))),
      ]),
    )
    const chain = model.chain({ batchSize: 1, samples: [false] })
    expect(chain.weights(weightsOnly)).toEqual(chain.weights(states))
    expect(Object.keys(chain.weights(states)['chain']!).sort()).toEqual(Object.keys(chain.programs['chain']!.state).sort())
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
    expect(() => chain.weights(new Map([[0, states.get(0)!]]))).toThrow(ShapeError)
    expect(() => model.chain({ batchSize: 0, samples: [true] })).toThrow(ModelConfigError)
    expect(() => model.chain({ batchSize: 1, samples: [] })).toThrow(ModelConfigError)
  })
})

describe('Eq. 3 with the exact posterior mean as estimate', () => {
  const truth = [0.6, 0.25, 0.1, 0.05]
  const draws = 8000
  const keysOfDraws = Array.from({ length: draws }, (_, i) => i)

  /** Runs the chain's step with û = E[u_y | z, x] for one-hot classes of the given p(y | x), and counts the classes that z_T shows. */
  function classesReached(isNoisy: boolean, numTimesteps: number): number[] {
    const schedule = cosineSchedule(numTimesteps)
    const size = truth.length
    const { start, noise } = drawChainNoise({ seed: 5, keys: keysOfDraws, samples: [isNoisy], blocks: numTimesteps, embeddingDim: size })
    return tf.tidy(() => {
      let z = tf.tensor2d(start, [draws, size])
      for (let t = 1; t <= numTimesteps; t++) {
        const alphaBar = schedule.alphaBar[t - 1]!
        // log p(y | z, x) up to a constant; the term in ‖u_y‖² is the same for every one-hot class.
        const logits = tf.add(tf.mul(z, Math.sqrt(alphaBar) / (1 - alphaBar)), tf.log(tf.tensor1d(truth)))
        const epsilon = tf.tensor2d(noise.slice((t - 1) * draws * size, t * draws * size), [draws, size])
        z = chainStep(tf.softmax(logits) as tf.Tensor2D, z, epsilon, schedule.chainCoefficients(t))
      }
      const counts = new Array<number>(size).fill(0)
      for (const winner of tf.argMax(z, 1).dataSync()) counts[winner]!++
      return counts.map((count) => count / draws)
    })
  }

  it('samples y from p(y | x) with its noise', () => {
    const frequencies = classesReached(true, 100)
    frequencies.forEach((frequency, y) => expect(Math.abs(frequency - truth[y]!)).toBeLessThan(0.025))
  })

  it('goes to the most probable y without it', () => {
    expect(classesReached(false, 10)).toEqual([1, 0, 0, 0])
  })
})
