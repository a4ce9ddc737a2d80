/** The forward-forward algorithm on the blocks of NoProp-DT, against its definition written out plainly. */

import type { HostTensors } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import { threshold } from '../src/baseline/goodness.ts'
import { buildModel, type ModelConfig, ModelConfigError } from '../src/index.ts'
import { expectAllClose } from './expect-close.ts'
import { plainHidden, type PlainTraining } from './plain-block.ts'
import { runChain, runProgram, stepAt, syntheticBatch, tinyConfig, toTensors } from './run-program.ts'
import { copyTensors } from './train-unit.ts'

const config: ModelConfig = { ...tinyConfig, method: 'forward-forward' }
const { blocks, numClasses, dropout } = config
const model = buildModel(config)
const unit = model.units[0]!
const timesteps = Array.from({ length: blocks }, (_, i) => i + 1)
const batchSize = 6
const batch = syntheticBatch(config, batchSize)

/** Away from where training starts: no scale is 1, no offset 0. */
const shifted: HostTensors = Object.fromEntries(
  Object.entries(unit.initialState(2)).map(([name, values], index) => [
    name,
    name.startsWith('optimizer') ? values : (values as Float32Array).map((value, i) => value + 0.3 * Math.sin(3 * index + i)),
  ]),
)

/** What begins with the prefix of block t, without it. */
function ofBlock<T>(t: number, entries: Readonly<Record<string, T>>): Record<string, T> {
  const prefix = `block${t}/`
  const own = Object.entries(entries).filter(([name]) => name.startsWith(prefix))
  return Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value]))
}

function stateOfBlock(t: number): tf.NamedTensorMap {
  return toTensors(ofBlock(t, unit.trainingProgram(2).state), ofBlock(t, shifted))
}

/** Goodness of every row in every block, [rows] each: labels of the rows, draw by draw, beside the images. */
function plainGoodness(images: Float32Array, labels: readonly number[], training?: (t: number) => PlainTraining): tf.Tensor1D[] {
  const seen = tf.tensor4d(images, [images.length / 196, 14, 14, 1])
  let z = tf.cast(tf.oneHot(tf.tensor1d([...labels], 'int32'), numClasses), 'float32') as tf.Tensor2D
  return timesteps.map((t) => {
    const hidden = plainHidden(stateOfBlock(t), seen, z, training?.(t))
    const squares = tf.mean(tf.square(hidden), 1) as tf.Tensor1D
    z = tf.div(hidden, tf.sqrt(tf.add(tf.reshape(squares, [-1, 1]), 1e-4)))
    return squares
  })
}

describe('the training step', () => {
  it.each([1, 3])('with %i wrong labels for each image has the loss of every block, one after another', (negatives) => {
    const learner = buildModel({ ...config, noiseSamples: negatives }).units[0]!
    const program = learner.trainingProgram(batchSize)
    const inputs = copyTensors(learner.stepInputs(batch, stepAt(7)))
    const { outputs } = runProgram(program, shifted, inputs)
    tf.tidy(() => {
      const tensors = toTensors(program.inputs, inputs)
      const training = (t: number): PlainTraining => ({
        masks: ofBlock(t, tensors),
        rate: Math.round(dropout * 65536) / 65536,
        statistics: {},
      })
      const all = plainGoodness(batch.images, Array.from(inputs['candidates']!), training)
      const softplus = (x: number) => Math.log1p(Math.exp(x))
      const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length
      const losses = all.map((goodness) => {
        const values = Array.from(goodness.dataSync())
        return (
          mean(values.slice(0, batchSize).map((g) => softplus(threshold - g))) +
          mean(values.slice(batchSize).map((g) => softplus(g - threshold)))
        )
      })
      expectAllClose(outputs['weighted_loss']!, [losses.reduce((sum, x) => sum + x, 0)], { relative: 5e-5 })
      const last = Array.from(all.at(-1)!.dataSync())
      const wins = last.slice(batchSize).map((g, i) => Number(last[i % batchSize]! > g))
      expectAllClose(outputs['accuracy']!, [mean(wins)])
      expectAllClose(outputs['positive_goodness']!, [mean(last.slice(0, batchSize))], { relative: 5e-5 })
      expectAllClose(outputs['negative_goodness']!, [mean(last.slice(batchSize))], { relative: 5e-5 })
    })
  })

  it('gives every image its label, and wrong ones, each of which is as likely', () => {
    const learner = buildModel({ ...config, noiseSamples: 4 }).units[0]!
    const counts = Array.from({ length: numClasses }, () => new Array<number>(numClasses).fill(0))
    const steps = 200
    for (let step = 0; step < steps; step++) {
      const candidates = learner.stepInputs(batch, stepAt(step))['candidates']!
      expect(Array.from(candidates.subarray(0, batchSize))).toEqual(Array.from(batch.labels))
      candidates.subarray(batchSize).forEach((candidate, i) => counts[batch.labels[i % batchSize]!]![candidate]!++)
    }
    counts.forEach((row, label) => {
      const drawn = row.reduce((sum, n) => sum + n, 0)
      const expected = drawn / (numClasses - 1)
      row.forEach((n, candidate) => {
        if (candidate === label) expect(n).toBe(0)
        else expect(Math.abs(n - expected)).toBeLessThan(5 * Math.sqrt(expected))
      })
    })
  })

  it('begins with the image path and the masks of its twin, the network of NoProp-DT of the same seed', () => {
    const state = unit.initialState(7)
    const inputs = unit.stepInputs(batch, stepAt(4))
    for (const { block, initialState, stepInputs } of buildModel({ ...config, method: 'noprop-dt' }).units.slice(1)) {
      const [twinState, twinInputs] = [initialState(7), stepInputs(batch, stepAt(4))]
      for (const name of ['image.conv1.kernel', 'image.dense.bias']) expect(state[`block${block}/${name}`]).toEqual(twinState[name])
      for (const name of ['image.dropout1', 'image.dropout3']) expect(inputs[`block${block}/${name}`]).toEqual(twinInputs[name])
    }
    const twin = buildModel({ ...config, method: 'noprop-dt' }).units[1]!.initialState(7)
    for (const [name, values] of Object.entries(ofBlock(1, state))) expect(values, name).toEqual(twin[name])
  })
})

describe('the gradient', () => {
  const program = unit.trainingProgram(batchSize)
  const inputs = copyTensors(unit.stepInputs(batch, stepAt(0)))
  const gradients = (state: HostTensors) => runProgram(program, state, inputs).state
  const start = unit.initialState(4)

  it.each(timesteps)('of block %i does not depend on the blocks behind it', (t) => {
    const moved = Object.fromEntries(
      Object.entries(start).map(([name, values]) => [
        name,
        Number(/^block(\d+)\//.exec(name)?.[1]) > t ? (values as Float32Array).map((x) => 1.5 * x) : values,
      ]),
    )
    const [before, after] = [gradients(start), gradients(moved)]
    const own = Object.keys(before).filter((name) => name.startsWith(`optimizer.m/block${t}/`))
    expect(own.length).toBeGreaterThan(20)
    for (const name of own) expect(after[name], name).toEqual(before[name])
  })

  it.each(timesteps)('of block %i has the same bits in a network that ends with it: the loss of no other block reaches it', (t) => {
    const short = buildModel({ ...config, blocks: t }).units[0]!
    const alone = runProgram(short.trainingProgram(batchSize), short.initialState(4), copyTensors(short.stepInputs(batch, stepAt(0)))).state
    const together = gradients(start)
    const own = Object.keys(alone).filter((name) => name.startsWith(`optimizer.m/block${t}/`))
    expect(own.length).toBeGreaterThan(20)
    for (const name of own) expect(together[name], name).toEqual(alone[name])
  })

  it('agrees with finite differences of the loss of its own block', () => {
    for (const t of timesteps) {
      // Up to block t, so that the loss that changes is the loss of block t alone.
      const short = buildModel({ ...config, blocks: t, noiseSamples: 2 }).units[0]!
      const shortProgram = short.trainingProgram(batchSize)
      const shortInputs = copyTensors(short.stepInputs(batch, stepAt(0)))
      const state = short.initialState(4)
      const after = runProgram(shortProgram, state, shortInputs).state
      const loss = (changed: HostTensors) => runProgram(shortProgram, changed, shortInputs).outputs['weighted_loss']![0]!
      for (const part of ['image', 'label', 'fusion']) {
        const names = Object.keys(state).filter((name) => name.startsWith(`block${t}/${part}`))
        const gradient = (name: string) => after[`optimizer.m/${name}`] as Float32Array
        const norm = Math.hypot(...names.map((name) => Math.hypot(...gradient(name))))
        expect(norm).toBeGreaterThan(0.03)
        const along = (by: number) => ({
          ...state,
          ...Object.fromEntries(
            names.map((name) => [name, (state[name] as Float32Array).map((x, i) => x + (by * gradient(name)[i]!) / norm)]),
          ),
        })
        // Small, because ReLU and pooling have a kink wherever two activations meet.
        const h = 1e-4
        const numeric = (loss(along(h)) - loss(along(-h))) / (2 * h)
        expect(Math.abs(numeric - norm), `block ${t} ${part}`).toBeLessThan(0.01 * norm + 4e-3)
      }
    }
  })
})

describe('the chain', () => {
  it('weighs the classes by the goodness of their labels, summed over the blocks so far', async () => {
    const images = 4
    const pixels = syntheticBatch(config, images).images
    const found = await runChain(model.chain({ batchSize: images, samples: [false, true] }), new Map([[1, shifted]]), {
      images: pixels,
      keys: [1, 2, 3, 4],
    })
    tf.tidy(() => {
      const labels = Array.from({ length: numClasses * images }, (_, row) => Math.floor(row / images))
      const total = new Float64Array(images * numClasses)
      plainGoodness(pixels, labels).forEach((goodness, i) => {
        goodness.dataSync().forEach((g, row) => (total[(row % images) * numClasses + Math.floor(row / images)]! += g))
        const expected = tf.softmax(tf.tensor2d(Array.from(total), [images, numClasses])).dataSync()
        for (const probabilities of found.estimates[i]!) expectAllClose(probabilities, expected, { absolute: 1e-5 })
      })
    })
    expect(found.head).toEqual(found.estimates.at(-1))
  })
})

describe('the model', () => {
  it('has blocks without the layer that reads the class', () => {
    const twin = buildModel({ ...config, method: 'noprop-dt' }).parameters.perBlock
    const hidden = config.features / 2
    const readout = numClasses * (hidden + 1)
    const later = (hidden - numClasses) * config.features
    const { total, perBlock, shared } = model.parameters
    expect(total).toBe(blocks * (twin - readout) + (blocks - 1) * later)
    expect(blocks * perBlock + shared).toBe(total)
    expect(perBlock).toBe(twin - readout + Math.min(later, 0))
    expect(Object.keys(unit.initialState(1)).some((name) => name.includes('dense3.kernel') && name.includes('fusion'))).toBe(false)
  })

  it.each(['learned', 'prototype'] as const)('refuses the %s embedding, which nothing would train', (embedding) => {
    expect(() => buildModel({ ...config, embedding })).toThrow(ModelConfigError)
  })

  it('refuses a batch of one image, because batch norm has no variance there', () => {
    expect(() => unit.trainingProgram(1)).toThrow(ModelConfigError)
  })
})
