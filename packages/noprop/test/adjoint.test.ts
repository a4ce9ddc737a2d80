/** The adjoint method against back-propagation through all steps of the ODE, written out plainly. */

import type { HostTensors } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { buildModel, type ModelConfig, ModelConfigError, type TrainingUnit } from '../src/index.ts'
import { expectAllClose } from './expect-close.ts'
import { runChain, runProgram, stepAt, syntheticBatch, tinyConfig } from './run-program.ts'
import { completeInputs, copyTensors, takeStep } from './train-unit.ts'

const config: ModelConfig = { ...tinyConfig, method: 'adjoint', noiseSamples: 2 }
const { numClasses } = config
const batchSize = 6
const batch = syntheticBatch(config, batchSize)
const draws = config.noiseSamples

function unitOf(changes: Partial<ModelConfig> = {}): TrainingUnit {
  return buildModel({ ...config, ...changes }).units[0]!
}

type Weights = tf.NamedTensorMap

function weightsOf(unit: TrainingUnit, state: HostTensors): Weights {
  const specs = unit.trainingProgram(batchSize).state
  const names = Object.keys(specs).filter((name) => !name.includes('/'))
  return Object.fromEntries(names.map((name) => [name, tf.tensor(state[name]! as Float32Array, [...specs[name]!.shape])]))
}

const linear = (x: tf.Tensor, weights: Weights, layer: string) =>
  tf.add(tf.matMul(x as tf.Tensor2D, weights[`${layer}.kernel`] as tf.Tensor2D), weights[`${layer}.bias`]!)

/** What images add to the layer that joins the paths, [draws·batch, features]. */
function plainImagePart(weights: Weights, images: Float32Array, masks: tf.NamedTensorMap | undefined): tf.Tensor2D {
  const scale = 65536 / (65536 - Math.round(config.dropout * 65536))
  const convolve = (x: tf.Tensor, layer: string) =>
    tf.add(tf.conv2d(x as tf.Tensor4D, weights[`${layer}.kernel`] as tf.Tensor4D, 1, 'valid'), weights[`${layer}.bias`]!)
  const dropout = (x: tf.Tensor, layer: string) => (masks ? tf.mul(tf.mul(x, tf.cast(masks[layer]!, 'float32')), scale) : x)
  const pool = (x: tf.Tensor) => tf.maxPool(x as tf.Tensor4D, 2, 2, 'valid')
  const count = images.length / 196
  const layer1 = dropout(pool(tf.relu(convolve(tf.tensor4d(images, [count, 14, 14, 1]), 'image.conv1'))), 'image.dropout1')
  const layer2 = dropout(tf.relu(convolve(layer1, 'image.conv2')), 'image.dropout2')
  const layer3 = dropout(pool(tf.relu(convolve(layer2, 'image.conv3'))), 'image.dropout3')
  const features = tf.relu(linear(tf.reshape(layer3, [count, -1]), weights, 'image.dense'))
  return tf.matMul(features as tf.Tensor2D, weights['fusion.dense1.imageKernel'] as tf.Tensor2D)
}

/** z_1 from z_0 by N steps of Euler; `imagePart` has a row for every latent. */
function plainOde(
  weights: Weights,
  imagePart: tf.Tensor2D,
  start: tf.Tensor2D,
  steps: number,
  seen?: (z: tf.Tensor2D, slope: tf.Tensor2D) => void,
): tf.Tensor2D {
  let z = start
  for (let i = 0; i < steps; i++) {
    const angles = Array.from({ length: 32 }, (_, k) => 1000 * (i / steps) * 10_000 ** (-k / 32))
    const time = tf.tensor2d([...angles.map(Math.sin), ...angles.map(Math.cos)], [1, 64])
    const label = tf.relu(linear(z, weights, 'label.dense'))
    const timePart = tf.matMul(
      tf.relu(linear(time, weights, 'time.dense')) as tf.Tensor2D,
      weights['fusion.dense1.timeKernel'] as tf.Tensor2D,
    )
    const fromLabel = tf.matMul(label as tf.Tensor2D, weights['fusion.dense1.labelKernel'] as tf.Tensor2D)
    const fused = tf.relu(tf.add(tf.add(imagePart, fromLabel), tf.add(timePart, weights['fusion.dense1.bias']!)))
    const logits = linear(tf.relu(linear(fused, weights, 'fusion.dense2')), weights, 'fusion.dense3') as tf.Tensor2D
    const slope = (weights['embedding.matrix'] ? tf.matMul(logits, weights['embedding.matrix'] as tf.Tensor2D) : logits) as tf.Tensor2D
    z = tf.add(z, tf.mul(slope, 1 / steps))
    seen?.(z, slope)
  }
  return z
}

/** −‖softmax(linear(z))·W − u_y‖²/(2σ²) */
function radialLogits(weights: Weights, z: tf.Tensor2D): tf.Tensor2D {
  const matrix = weights['embedding.matrix'] as tf.Tensor2D
  const estimate = tf.matMul(tf.softmax(linear(z, weights, 'head')) as tf.Tensor2D, matrix)
  const differences = tf.sub(tf.reshape(estimate, [z.shape[0], 1, -1]), tf.reshape(matrix, [1, numClasses, -1]))
  return tf.mul(tf.sum(tf.mul(differences, differences), 2), -1 / (2 * config.radialSigma ** 2))
}

/** Loss of the batch and its exact gradient, by back-propagation through all steps. */
function exactGradient(
  unit: TrainingUnit,
  state: HostTensors,
  inputs: HostTensors,
  { steps, isRadial }: { steps: number; isRadial: boolean },
): { loss: number; gradients: HostTensors } {
  return tf.tidy(() => {
    const weights = weightsOf(unit, state)
    const names = Object.keys(weights)
    const specs = unit.trainingProgram(batchSize).inputs
    const maskNames = Object.keys(inputs).filter((name) => name.startsWith('image.dropout'))
    const masks = Object.fromEntries(
      maskNames.map((name) => [name, tf.tensor(inputs[name]! as Uint8Array, [...specs[name]!.shape], 'bool')]),
    )
    const start = tf.tensor2d(inputs['start'] as Float32Array, [draws * batchSize, inputs['start']!.length / (draws * batchSize)])
    const targets = tf.cast(tf.tile(tf.oneHot(tf.tensor1d(batch.labels, 'int32'), numClasses), [draws, 1]), 'float32')
    const { value, grads } = tf.valueAndGrads((...values: tf.Tensor[]) => {
      const moved = Object.fromEntries(names.map((name, i) => [name, values[i]!]))
      const imagePart = plainImagePart(moved, batch.images, masks)
      // Each draw's latents stand beside the same images; `concat` has no gradient here, so the rows are repeated by a product.
      const repeat = tf.tile(tf.eye(batchSize), [draws, 1]) as tf.Tensor2D
      const end = plainOde(moved, tf.matMul(repeat, imagePart), start, steps)
      const probabilities = tf.softmax(isRadial ? radialLogits(moved, end) : linear(end, moved, 'head'))
      return tf.neg(tf.mul(tf.sum(tf.mul(tf.log(probabilities), targets)), 1 / (draws * batchSize))) as tf.Scalar
    })(names.map((name) => weights[name]!))
    return {
      loss: value.dataSync()[0]!,
      gradients: Object.fromEntries(names.map((name, i) => [name, grads[i]!.dataSync<'float32'>().slice()])),
    }
  })
}

/** The gradient that the unit takes its step along: after one step from zero the first moment, kept as a sum. */
async function adjointGradient(unit: TrainingUnit, state: HostTensors): Promise<{ loss: number; gradients: HostTensors }> {
  const after = await takeStep(unit, state, batch, stepAt(0))
  const moments = Object.entries(after.state).filter(([name]) => name.startsWith('optimizer.m/'))
  return {
    loss: after.outputs['cross_entropy']![0]!,
    gradients: Object.fromEntries(moments.map(([name, values]) => [name.slice('optimizer.m/'.length), values])),
  }
}

/** First weights, twice as large in the field, so that z really moves. */
function livelyState(unit: TrainingUnit): HostTensors {
  return Object.fromEntries(
    Object.entries(unit.initialState(3)).map(([name, values]) => [
      name,
      /^(fusion|label|head)/.test(name) ? (values as Float32Array).map((x) => 2 * x) : values,
    ]),
  )
}

/** ‖found − exact‖ / ‖exact‖ over all weights that `of` names. */
function relativeError(found: HostTensors, exact: HostTensors, of: RegExp): number {
  let [difference, size] = [0, 0]
  for (const [name, values] of Object.entries(exact)) {
    if (!of.test(name)) continue
    values.forEach((x, i) => {
      difference += (found[name]![i]! - x) ** 2
      size += x ** 2
    })
  }
  expect(size).toBeGreaterThan(1e-8)
  return Math.sqrt(difference / size)
}

describe.each([
  ['one-hot', 'softmax'],
  ['learned', 'softmax'],
  ['learned', 'radial'],
] as const)('the adjoint gradient (%s embedding, %s head)', (embedding, head) => {
  const measured: { loss: number; exactLoss: number; errorOf: (of: RegExp) => number }[] = []
  beforeAll(async () => {
    for (const steps of [4, 16, 64, 256]) {
      const unit = unitOf({ embedding, head, inferenceSteps: steps })
      const state = livelyState(unit)
      const exact = exactGradient(unit, state, copyTensors(unit.stepInputs(batch, stepAt(0))), { steps, isRadial: head === 'radial' })
      const found = await adjointGradient(unit, state)
      measured.push({ loss: found.loss, exactLoss: exact.loss, errorOf: (of) => relativeError(found.gradients, exact.gradients, of) })
    }
  })

  it('belongs to the loss of the chain of Euler steps', () => {
    for (const { loss, exactLoss } of measured) expect(Math.abs(loss - exactLoss)).toBeLessThan(1e-5 * exactLoss)
  })

  it.each([
    ['all weights', /./],
    ['the image path', /^(image|fusion.dense1.imageKernel)/],
    ['the label path', /^(label|fusion.dense1.labelKernel)/],
    ['the time path', /^(time|fusion.dense1.timeKernel)/],
    ['the layers behind them', /^fusion.dense[23]/],
    ...(embedding === 'learned' ? [['the embedding', /^embedding/] as const] : []),
  ] as const)('of %s comes to the exact one about as 1/N', (_, of) => {
    const errors = measured.map(({ errorOf }) => errorOf(of))
    // A factor of 4 between neighbours, if ReLU had no kinks and the time embeddings were the same for every N.
    for (const i of [1, 2, 3]) expect(errors[i]!).toBeLessThan(errors[i - 1]!)
    expect(errors[3]! / errors[0]!).toBeLessThan(1 / 10)
    expect(errors[3]!).toBeLessThan(0.02)
  })

  it('of the head is exact for any N', () => {
    for (const { errorOf } of measured) expect(errorOf(/^head/)).toBeLessThan(1e-5)
  })
})

describe('the assistant', () => {
  it.each([
    [1, 1],
    [10, 1],
    [12, 2],
    [13, 13],
    [20, 2],
  ])('takes %i steps in %i calls, forth and back', async (steps, calls) => {
    const unit = unitOf({ inferenceSteps: steps })
    const programs = unit.assistant!.programs(batchSize)
    const counts: Record<string, number> = {}
    await unit.assistant!.complete(copyTensors(unit.stepInputs(batch, stepAt(0))), unit.initialState(1), async (name, inputs) => {
      counts[name] = (counts[name] ?? 0) + 1
      expect(Object.keys(inputs).sort()).toEqual(Object.keys(programs[name]!.inputs).sort())
      return runProgram(programs[name]!, {}, inputs).outputs
    })
    expect(counts).toEqual({ encode: 1, forward: calls, end: 1, backward: calls })
  })

  it('hands over what the training program declares, and no label', async () => {
    const unit = unitOf()
    const inputs = await completeInputs(unit, unit.initialState(1), batch, stepAt(0))
    expect(Object.keys(inputs)).not.toContain('labels')
    expect(Object.keys(inputs).sort()).toEqual(Object.keys(unit.trainingProgram(batchSize).inputs).sort())
  })

  it('has programs that do not grow with the number of steps', () => {
    const sizeOf = (steps: number) => {
      const programs = unitOf({ inferenceSteps: steps }).assistant!.programs(batchSize)
      return Object.values(programs).flatMap(({ inputs }) =>
        Object.values(inputs).map(({ shape }) => shape.reduce((product, n) => product * n, 1)),
      )
    }
    expect(sizeOf(1000)).toEqual(sizeOf(10))
  })
})

describe('the chain', () => {
  it('takes the Euler steps of the training, and reads the class with the head', async () => {
    const steps = 6
    const model = buildModel({ ...config, inferenceSteps: steps })
    const unit = model.units[0]!
    const state = livelyState(unit)
    const images = 3
    const pixels = syntheticBatch(config, images).images
    const found = await runChain(model.chain({ batchSize: images, samples: [false] }), new Map([[1, state]]), {
      images: pixels,
      keys: [1, 2, 3],
    })
    expect(model.reportedSteps).toEqual([1, 2, 3, 4, 5, 6])
    tf.tidy(() => {
      const weights = weightsOf(unit, state)
      const decode = (z: tf.Tensor) => tf.softmax(linear(z, weights, 'head')).dataSync()
      let i = 0
      const end = plainOde(weights, plainImagePart(weights, pixels, undefined), tf.zeros([images, numClasses]), steps, (z, slope) => {
        i++
        expectAllClose(found.estimates[i - 1]![0]!, decode(tf.add(z, tf.mul(slope, 1 - i / steps))), { absolute: 5e-6 })
      })
      expectAllClose(found.head[0]!, decode(end), { absolute: 5e-6 })
    })
    expectAllClose(found.estimates.at(-1)![0]!, found.head[0]!)
  })
})

it('refuses the prototype embedding, whose latents are images', () => {
  expect(() => buildModel({ ...config, embedding: 'prototype' })).toThrow(ModelConfigError)
})
