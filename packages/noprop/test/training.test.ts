import type { HostTensors } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it, test } from 'vitest'
import { denoisingBlock } from '../src/block/denoising-block.ts'
import { oneHotEmbedding } from '../src/embedding/one-hot.ts'
import { buildModel, ShapeError, type TrainingUnit } from '../src/index.ts'
import { cosineSchedule } from '../src/schedule/cosine-schedule.ts'
import { blockLoss } from '../src/train/denoising-unit.ts'
import { expectAllClose } from './expect-close.ts'
import { runProgram, syntheticBatch, tinyConfig, toTensors } from './run-program.ts'

const model = buildModel(tinyConfig)
const [head, firstBlock, secondBlock, lastBlock] = model.units as [TrainingUnit, TrainingUnit, TrainingUnit, TrainingUnit]
const batchSize = 6
const batch = syntheticBatch(tinyConfig, batchSize)
const at = (step: number, seed = 1, learningRate = 1e-2) => ({ seed, step, learningRate })

interface Trained {
  readonly state: HostTensors
  readonly metrics: readonly Record<string, number>[]
}

function train(unit: TrainingUnit, steps: number, seed = 1, learningRate = 1e-2): Trained {
  const program = unit.trainingProgram(batchSize)
  let state = unit.initialState(seed)
  const metrics: Record<string, number>[] = []
  for (let step = 0; step < steps; step++) {
    const result = runProgram(program, state, unit.stepInputs(batch, at(step, seed, learningRate)))
    state = result.state
    metrics.push(unit.readMetrics(result.outputs))
  }
  return { state, metrics }
}

/** The inputs of a step in arrays of their own. */
function copyInputs(inputs: HostTensors): HostTensors {
  return Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, values.slice()]))
}

describe.each([
  ['a block', lastBlock],
  ['the head', head],
])('training %s', (_, unit) => {
  it('lowers its loss', () => {
    const learner = buildModel({ ...tinyConfig, dropout: 0, noiseSamples: 4 }).units[unit.block]!
    const loss = train(learner, 40, 1, 3e-2).metrics.map((values) => values['denoising_loss'] ?? values['cross_entropy']!)
    const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length
    expect(mean(loss.slice(-5))).toBeLessThan(0.6 * mean(loss.slice(0, 5)))
  })

  it('gives the same bits for the same seed and others for another', () => {
    const once = train(unit, 4)
    expect(train(unit, 4)).toEqual(once)
    expect(train(unit, 4, 2).metrics).not.toEqual(once.metrics)
  })

  it('goes on from a copy of its state as if it had never stopped', () => {
    const program = unit.trainingProgram(batchSize)
    const resumed = buildModel(tinyConfig).units[unit.block]!
    const stopped = train(unit, 3).state
    const copy = Object.fromEntries(Object.entries(stopped).map(([name, values]) => [name, values.slice()]))
    const { state } = runProgram(program, copy, resumed.stepInputs(batch, at(3)))
    expect(state).toEqual(train(unit, 4).state)
  })

  it('leaves no tensor behind', () => {
    train(unit, 1)
    const before = tf.memory().numTensors
    train(unit, 2)
    expect(tf.memory().numTensors).toBe(before)
  })

  it('has exactly the state and the inputs that its program declares', () => {
    const program = unit.trainingProgram(batchSize)
    const [state, inputs] = [unit.initialState(1), unit.stepInputs(batch, at(0))]
    expect(Object.keys(state).sort()).toEqual(Object.keys(program.state).sort())
    expect(Object.keys(inputs).sort()).toEqual(Object.keys(program.inputs).sort())
    const next = tf.tidy(() => {
      const result = program.run(toTensors(program.state, state), toTensors(program.inputs, inputs))
      return Object.entries(result.state).map(([name, tensor]) => [name, tensor.shape])
    })
    expect(next.length).toBeGreaterThan(0)
    for (const [name, shape] of next) expect(shape, String(name)).toEqual(program.state[String(name)]!.shape)
  })

  it('refuses a label that is no class', () => {
    const labels = batch.labels.slice()
    labels[3] = tinyConfig.numClasses
    expect(() => unit.stepInputs({ ...batch, labels }, at(0))).toThrow(ShapeError)
  })
})

describe('metrics', () => {
  it('of a block are its loss, the weighted loss, accuracy, gradient norm and update ratio', () => {
    const [first] = train(secondBlock, 1).metrics
    expect(Object.keys(first!).sort()).toEqual(['accuracy', 'denoising_loss', 'gradient_norm', 'update_ratio', 'weighted_loss'])
    const weight = (tinyConfig.blocks / 2) * tinyConfig.eta * cosineSchedule(tinyConfig.blocks).snrGain(2)
    expect(first!['weighted_loss']).toBeCloseTo(weight * first!['denoising_loss']!, 6)
  })

  it('of the head have the cross-entropy in place of the losses', () => {
    expect(Object.keys(train(head, 1).metrics[0]!).sort()).toEqual(['accuracy', 'cross_entropy', 'gradient_norm', 'update_ratio'])
  })

  it('have the norm of the whole gradient', () => {
    // After one step from zero the first moment, kept as a sum, is the gradient.
    const { state, metrics } = train(secondBlock, 1)
    const squares = Object.entries(state).filter(([name]) => name.startsWith('optimizer.m/'))
    const norm = Math.sqrt(squares.reduce((sum, [, values]) => sum + Math.hypot(...values) ** 2, 0))
    expect(metrics[0]!['gradient_norm']! / norm).toBeCloseTo(1, 4)
  })
})

describe('the gradient of a block', () => {
  it('agrees with finite differences of its loss for every weight tensor', () => {
    const config = { ...tinyConfig, noiseSamples: 2 }
    const unit = buildModel(config).units[3]!
    const images = 16
    const program = unit.trainingProgram(images)
    const inputs = copyInputs(unit.stepInputs(syntheticBatch(config, images), at(0)))
    const state = unit.initialState(4)
    const loss = (changed: HostTensors) => runProgram(program, changed, inputs).outputs['weighted_loss']![0]!
    const after = runProgram(program, state, inputs).state
    const names = Object.keys(state).filter((name) => !name.includes('/'))
    let compared = 0
    for (const name of names) {
      const gradient = after[`optimizer.m/${name}`] as Float32Array
      const norm = Math.hypot(...gradient)
      if (norm < 1e-2) continue
      const moved = (by: number) => ({
        ...state,
        [name]: (state[name] as Float32Array).map((value, i) => value + (by * gradient[i]!) / norm),
      })
      // Small, because ReLU and pooling have a kink wherever two activations meet.
      const h = 2e-4
      const numeric = (loss(moved(h)) - loss(moved(-h))) / (2 * h)
      expect(Math.abs(numeric - norm), name).toBeLessThan(0.03 * norm + 3e-4)
      compared++
    }
    expect(compared).toBeGreaterThan(15)
  })

  it('is exactly 0 on every other block and on the head, and not on its own', () => {
    const schedule = cosineSchedule(tinyConfig.blocks)
    const embedding = oneHotEmbedding(tinyConfig.numClasses)
    const block = denoisingBlock({ ...tinyConfig, embeddingDim: embedding.dimension })
    const parts = { config: tinyConfig, block, embedding, schedule }
    const blocks = model.units.slice(1)
    tf.tidy(() => {
      const states = blocks.map((unit) => toTensors(unit.trainingProgram(batchSize).state, unit.initialState(1)))
      const inputs = blocks.map((unit) => toTensors(unit.trainingProgram(batchSize).inputs, copyInputs(unit.stepInputs(batch, at(0)))))
      const headState = toTensors(head.trainingProgram(batchSize).state, head.initialState(1))
      const probes = [headState['head.kernel']!, ...states.map((state) => state['image.conv1.kernel']!)]
      for (let t = 1; t <= tinyConfig.blocks; t++) {
        // Every probe is joined to the objective with the factor 0; what is left is the gradient of block t's loss alone.
        const gradients = tf.grads((...tensors: tf.Tensor[]) => {
          const ties = tensors.map((tensor) => tf.mul(tf.sum(tensor), 0)).reduce((left, right) => tf.add(left, right))
          return tf.add(blockLoss(states[t - 1]!, inputs[t - 1]!, parts).loss, ties)
        })(probes)
        gradients.forEach((gradient, unit) => {
          const largest = Math.max(...gradient.dataSync().map(Math.abs))
          if (unit === t) expect(largest).toBeGreaterThan(0)
          else expect(largest).toBe(0)
        })
      }
    })
  })

  it('is taken as 0 on weights that batch norm removes, which then only decay', () => {
    const { state } = train(firstBlock, 1)
    const before = firstBlock.initialState(1)
    for (const name of ['label.dense2.bias', 'image.dense.bias', 'image.norm.offset', 'label.norm3.offset']) {
      const decayed = (before[name] as Float32Array).map((value) => value * (1 - 1e-2 * tinyConfig.weightDecay))
      expectAllClose(state[name] as Float32Array, decayed)
      expect(new Set(state[`optimizer.m/${name}`])).toEqual(new Set([0]))
    }
  })

  it.each(['label.dense2.bias', 'image.dense.bias', 'image.norm.offset', 'label.norm3.offset', 'fusion.dense1.bias'])(
    'leaves out %s rightly: moving it does not change the loss',
    (name) => {
      const program = firstBlock.trainingProgram(batchSize)
      const inputs = copyInputs(firstBlock.stepInputs(batch, at(0)))
      const state = firstBlock.initialState(1)
      const moved = { ...state, [name]: (state[name] as Float32Array).map((value, i) => value + Math.sin(i)) }
      const loss = (from: HostTensors) => runProgram(program, from, inputs).outputs['denoising_loss']!
      expectAllClose(loss(moved), loss(state))
    },
  )
})

describe('several noise draws per image', () => {
  it('that are equal change nothing', () => {
    const single = buildModel({ ...tinyConfig, dropout: 0 }).units[2]!
    const double = buildModel({ ...tinyConfig, dropout: 0, noiseSamples: 2 }).units[2]!
    const inputs = copyInputs(single.stepInputs(batch, at(0)))
    const noise = inputs['noise'] as Float32Array
    const twice = Float32Array.of(...noise, ...noise)
    const one = runProgram(single.trainingProgram(batchSize), single.initialState(1), inputs)
    const two = runProgram(double.trainingProgram(batchSize), double.initialState(1), { ...inputs, noise: twice })
    for (const name of ['denoising_loss', 'accuracy', 'gradient_norm'])
      expectAllClose(two.outputs[name]!, one.outputs[name]!, { relative: 1e-4 })
    const mean = 'batchNorm/image.norm.variance'
    expectAllClose(two.state[mean]!, one.state[mean]!)
  })

  it('are different draws', () => {
    const unit = buildModel({ ...tinyConfig, noiseSamples: 2 }).units[1]!
    const noise = unit.stepInputs(batch, at(0))['noise'] as Float32Array
    expect(noise.slice(0, noise.length / 2)).not.toEqual(noise.slice(noise.length / 2))
  })
})

describe('what a step draws', () => {
  const masks = ['dropout1', 'dropout2', 'dropout3']

  it('differs between steps, blocks and seeds, and is the same when asked again', () => {
    const draw = (unit: TrainingUnit, step: number, seed: number) => {
      const inputs = copyInputs(unit.stepInputs(batch, at(step, seed)))
      return Object.fromEntries(['noise', ...masks].map((name) => [name, inputs[name]!]))
    }
    const drawn = draw(firstBlock, 5, 1)
    expect(draw(firstBlock, 5, 1)).toEqual(drawn)
    for (const other of [draw(firstBlock, 6, 1), draw(secondBlock, 5, 1), draw(firstBlock, 5, 2)]) {
      for (const name of Object.keys(drawn)) expect(other[name]).not.toEqual(drawn[name])
    }
  })

  it('drops activations at the rate of the configuration', () => {
    const inputs = firstBlock.stepInputs(batch, at(0))
    const bytes = masks.flatMap((name) => Array.from(inputs[name]!))
    const rate = 1 - bytes.reduce((sum, kept) => sum + kept, 0) / bytes.length
    expect(Math.abs(rate - tinyConfig.dropout)).toBeLessThan(5 * Math.sqrt((0.2 * 0.8) / bytes.length))
  })

  it('gives block 1 pure noise', () => {
    const inputs = firstBlock.stepInputs(batch, at(0))
    expect([inputs['latent.signal']![0], inputs['latent.noise']![0]]).toEqual([0, 1])
  })
})

test('all blocks have one program', () => {
  const blocks = model.units.slice(1)
  expect(new Set(blocks.map((unit) => unit.programKey)).size).toBe(1)
  expect(head.programKey).not.toBe(firstBlock.programKey)
  const inputs = copyInputs(secondBlock.stepInputs(batch, at(0)))
  const state = secondBlock.initialState(1)
  expect(runProgram(firstBlock.trainingProgram(batchSize), state, inputs)).toEqual(
    runProgram(secondBlock.trainingProgram(batchSize), state, inputs),
  )
})

test('the head takes T steps for each batch, a block one', () => {
  expect(model.units.map((unit) => unit.stepsPerEpoch(430))).toEqual([3 * 430, 430, 430, 430])
})

test('a batch of one image is refused, because batch norm has no variance there', () => {
  expect(() => firstBlock.trainingProgram(1)).toThrow('batchSize')
})

test('images of the wrong size are refused', () => {
  expect(() => firstBlock.stepInputs({ ...batch, images: batch.images.subarray(1) }, at(0))).toThrow(ShapeError)
})
