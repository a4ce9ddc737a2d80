/** The baseline of back-propagation against Eqs. 17–19 written out plainly. */

import type { HostTensors } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import { buildModel, type ModelConfig, ModelConfigError } from '../src/index.ts'
import { expectAllClose } from './expect-close.ts'
import { plainLogits } from './plain-block.ts'
import { type Call, runChain, runProgram, stepAt, syntheticBatch, tinyConfig, toTensors } from './run-program.ts'
import { copyTensors } from './train-unit.ts'

const config: ModelConfig = { ...tinyConfig, method: 'backprop' }
const { blocks, numClasses } = config
const model = buildModel(config)
const unit = model.units[0]!
const timesteps = Array.from({ length: blocks }, (_, i) => i + 1)

/** The weights and running statistics of block t under the block's own names. */
function ofBlock(t: number, tensors: HostTensors): HostTensors {
  const prefix = `block${t}/`
  const own = Object.entries(tensors).filter(([name]) => name.startsWith(prefix))
  return Object.fromEntries(own.map(([name, values]) => [name.slice(prefix.length), values]))
}

/** Away from where training starts: no scale is 1, no offset 0. */
const shifted: HostTensors = Object.fromEntries(
  Object.entries(unit.initialState(2)).map(([name, values], index) => [
    name,
    name.startsWith('optimizer') ? values : (values as Float32Array).map((value, i) => value + 0.3 * Math.sin(3 * index + i)),
  ]),
)

/** z_T of Eqs. 17–19 and the estimates on the way, one block after another. */
function plainChain(images: Float32Array, start: Float32Array, rows: number) {
  const seen = tf.tensor4d(images, [images.length / 196, 14, 14, 1])
  const estimates: tf.Tensor2D[] = []
  let z = tf.tensor2d(start, [rows, numClasses])
  for (const t of timesteps) {
    const own = ofBlock(t, shifted)
    const tensors = tf.tidy(() => ofBlock(t, shifted))
    const program = Object.fromEntries(Object.entries(unit.trainingProgram(2).state).filter(([name]) => name.startsWith(`block${t}/`)))
    const specs = Object.fromEntries(Object.entries(program).map(([name, spec]) => [name.slice(`block${t}/`.length), spec]))
    const estimate = tf.softmax(plainLogits(toTensors(specs, tensors), seen, z)) as tf.Tensor2D
    const alpha = Math.tanh(own['mix']![0]!)
    z = tf.add(tf.mul(z, 1 - alpha), tf.mul(estimate, alpha))
    estimates.push(estimate)
  }
  const kernel = tf.tensor2d(shifted['head.kernel'] as Float32Array, [numClasses, numClasses])
  return { estimates, head: tf.softmax(tf.add(tf.matMul(z, kernel), shifted['head.bias'] as Float32Array)) }
}

describe('the chain', () => {
  const images = 4
  const samples = [true, false, true]
  const size = images * numClasses

  it('is z_t = (1 − α_t)·z_{t−1} + α_t·û_t with α_t = tanh(w_t), the class read from z_T', async () => {
    const calls: Call[] = []
    const pixels = syntheticBatch(config, images).images
    const found = await runChain(model.chain({ batchSize: images, samples }), new Map([[1, shifted]]), {
      images: pixels,
      keys: [3, 14, 15, 92],
      calls,
    })
    const start = calls[0]!.inputs['start'] as Float32Array
    const compare = (values: readonly Float32Array[], expected: tf.Tensor) =>
      samples.forEach((_, s) =>
        expectAllClose(values[s]!, expected.dataSync<'float32'>().subarray(s * size, (s + 1) * size), { absolute: 5e-6 }),
      )
    tf.tidy(() => {
      const { estimates, head } = plainChain(pixels, start, samples.length * images)
      timesteps.forEach((t) => compare(found.estimates[t - 1]!, estimates[t - 1]!))
      compare(found.head, head)
    })
    const bySample = samples.map((_, s) => start.slice(s * size, (s + 1) * size))
    expect(bySample.map((values) => values.some((value) => value !== 0))).toEqual(samples)
    expect(bySample[0]).not.toEqual(bySample[2])
  })
})

describe('the unit', () => {
  it('begins with the weights of its twin, the network of NoProp-DT of the same seed', () => {
    for (const embedding of ['one-hot', 'learned'] as const) {
      const state = buildModel({ ...config, embedding }).units[0]!.initialState(7)
      const twin = buildModel({ ...config, embedding, method: 'noprop-dt' }).units
      for (const t of timesteps) {
        const { mix, ...own } = ofBlock(t, state)
        for (const [name, values] of Object.entries(own))
          expect(values, name).toEqual(twin.find(({ block }) => block === t)!.initialState(7)[name])
        expect(mix).toEqual(Float32Array.of(Math.atanh(1 / (t + 1))))
      }
      expect(state['embedding.matrix']).toEqual(twin[0]!.initialState(7)['embedding.matrix'])
    }
  })

  it.each(['one-hot', 'learned', 'prototype'] as const)('begins with a head that decodes embeddings (%s)', (embedding) => {
    const learner = buildModel({ ...config, embedding, embeddingInit: 'orthogonal', emaDecay: 0.9 }).units[0]!
    const state = learner.initialState(7)
    const kernel = state['head.kernel'] as Float32Array
    const dimension = kernel.length / numClasses
    for (let y = 0; y < numClasses; y++) {
      const u = Array.from({ length: dimension }, (_, k) => state['embedding.matrix']?.[y * dimension + k] ?? (k === y ? 1 : 0))
      const logits = Array.from({ length: numClasses }, (_, c) => u.reduce((sum, x, k) => sum + x * kernel[k * numClasses + c]!, 0))
      expectAllClose(
        logits,
        Array.from({ length: numClasses }, (_, c) => (c === y ? 5 : 0)),
        { absolute: 1e-5 },
      )
    }
    expect(state['average/head.kernel']).toEqual(kernel)
    expect(new Set(state['head.bias'])).toEqual(new Set([0]))
  })

  it('reads the z_0 and the dropout masks that its twin reads', () => {
    const batch = syntheticBatch(config, 6)
    const inputs = unit.stepInputs(batch, stepAt(4))
    for (const { block, stepInputs } of buildModel({ ...config, method: 'noprop-dt' }).units) {
      const twin = stepInputs(batch, stepAt(4))
      if (block === 1) expect(inputs['start']).toEqual(twin['latent.epsilon'])
      for (const name of Object.keys(twin).filter((name) => name.includes('dropout')))
        expect(inputs[`block${block}/${name}`]).toEqual(twin[name])
    }
  })

  it('has the parameters of T blocks, of the head, and T mixing weights', () => {
    const twin = buildModel({ ...config, method: 'noprop-dt' }).parameters
    expect(model.parameters).toEqual({ total: twin.total + blocks, perBlock: twin.perBlock, shared: twin.shared + blocks })
  })

  it('refuses a batch of one image, because batch norm has no variance there', () => {
    expect(() => unit.trainingProgram(1)).toThrow(ModelConfigError)
  })
})

describe('the gradient', () => {
  /** Weights that are moved together, as a regular expression of their names. */
  const groups = [...timesteps.flatMap((t) => ['image', 'label', 'fusion', 'mix'].map((part) => `^block${t}/${part}`)), '^head']

  it.each([
    ['one-hot', 'softmax', groups],
    ['learned', 'radial', [...groups, '^embedding']],
    ['prototype', 'softmax', [...timesteps.map((t) => `^block${t}/label`), '^embedding']],
  ] as const)('with %s embedding and %s head agrees with finite differences of the loss, through every block', (embedding, head, moved) => {
    const learner = buildModel({ ...config, embedding, embeddingInit: 'orthogonal', head, noiseSamples: 2 }).units[0]!
    const images = 8
    const program = learner.trainingProgram(images)
    const inputs = copyTensors(learner.stepInputs(syntheticBatch(config, images), stepAt(0)))
    // Sharper estimates than at the start, where the loss hardly depends on most of the weights.
    const state = mapEntries(learner.initialState(4), (values, name) =>
      name.endsWith('dense3.kernel') ? values.map((x) => 3 * x) : values,
    )
    const after = runProgram(program, state, inputs).state
    const loss = (changed: HostTensors) => runProgram(program, changed, inputs).outputs['cross_entropy']![0]!
    for (const group of moved) {
      const names = Object.keys(state).filter((name) => new RegExp(group).test(name) && `optimizer.m/${name}` in after)
      const gradient = (name: string) => after[`optimizer.m/${name}`] as Float32Array
      const norm = Math.hypot(...names.map((name) => Math.hypot(...gradient(name))))
      expect(norm, group).toBeGreaterThan(0.03)
      const along = (by: number) =>
        mapEntries(state, (values, name) => (names.includes(name) ? values.map((x, i) => x + (by * gradient(name)[i]!) / norm) : values))
      // Small, because ReLU and pooling have a kink wherever two activations meet.
      const h = 1e-4
      const numeric = (loss(along(h)) - loss(along(-h))) / (2 * h)
      expect(Math.abs(numeric - norm), group).toBeLessThan(0.01 * norm + 1e-3)
    }
  })
})

function mapEntries(state: HostTensors, f: (values: Float32Array, name: string) => Float32Array): HostTensors {
  return Object.fromEntries(Object.entries(state).map(([name, values]) => [name, f(values as Float32Array, name)]))
}
