import * as tf from '@tensorflow/tfjs-core'
import type { HostTensors, Program, TensorSpecs } from '../src/index.ts'
import { float, numbers } from './compare-devices.ts'
import { registerTestGradients } from './gradients.ts'

registerTestGradients()

const batch = 6
/** Odd sizes, so that both poolings drop a row or a column, which the layers before then need not compute. */
const weights: TensorSpecs = {
  conv1: float(3, 3, 1, 3),
  bias1: float(3),
  conv2: float(3, 3, 3, 8),
  bias2: float(8),
  conv3: float(2, 2, 8, 5),
  bias3: float(5),
  dense: float(10, 4),
}
const names = Object.keys(weights)

/**
 * A step of AdamW on a small network of the kind that the product trains: three convolutions, two poolings, masks, a softmax and squares.
 * State: weights, moments `m/…` and `v/…`, and `untouched`, which no step changes. Outputs: the loss and the gradients.
 */
export const smallNetwork: Program = {
  state: {
    ...weights,
    ...Object.fromEntries(names.flatMap((name) => ['m/', 'v/'].map((prefix) => [prefix + name, weights[name]!]))),
    untouched: float(3),
  },
  inputs: {
    images: float(batch, 15, 18, 1),
    targets: float(batch, 4),
    mask1: { shape: [batch, 6, 8, 3], dtype: 'bool' },
    mask2: { shape: [batch, 4, 6, 8], dtype: 'bool' },
    rate: float(),
  },
  run(state, inputs) {
    const loss = (...values: tf.Tensor[]) => lossOf(Object.fromEntries(names.map((name, i) => [name, values[i]!])), inputs)
    const { value, grads } = tf.valueAndGrads(loss)(names.map((name) => state[name]!))
    const next: tf.NamedTensorMap = {}
    names.forEach((name, i) => {
      const m = tf.add(tf.mul(state[`m/${name}`]!, 0.9), tf.mul(grads[i]!, 0.1))
      const v = tf.add(tf.mul(state[`v/${name}`]!, 0.99), tf.mul(tf.square(grads[i]!), 0.01))
      const update = tf.add(tf.div(m, tf.add(tf.sqrt(v), 1e-4)), tf.mul(state[name]!, 0.01))
      next[name] = tf.sub(state[name]!, tf.mul(update, inputs['rate']!))
      next[`m/${name}`] = m
      next[`v/${name}`] = v
    })
    const gradients = Object.fromEntries(names.map((name, i) => [`gradient/${name}`, grads[i]!]))
    return { state: next, outputs: { loss: value, ...gradients } }
  },
}

function lossOf(weight: tf.NamedTensorMap, inputs: tf.NamedTensorMap): tf.Scalar {
  const convolve = (x: tf.Tensor, name: string) => tf.conv2d(x as tf.Tensor4D, weight[name] as tf.Tensor4D, 1, 'valid')
  const masked = (x: tf.Tensor, name: string) => tf.mul(x, tf.cast(inputs[name]!, 'float32'))
  const x1 = tf.add(tf.maxPool(convolve(inputs['images']!, 'conv1'), 2, 2, 'valid'), weight['bias1']!)
  const x2 = tf.add(convolve(masked(tf.relu(x1), 'mask1'), 'conv2'), weight['bias2']!)
  const x3 = tf.maxPool(tf.relu(tf.add(convolve(masked(tf.relu(x2), 'mask2'), 'conv3'), weight['bias3']!)) as tf.Tensor4D, 2, 2, 'valid')
  const logits = tf.matMul(tf.reshape(x3, [batch, 10]) as tf.Tensor2D, weight['dense'] as tf.Tensor2D)
  return tf.mean(tf.squaredDifference(tf.softmax(logits), inputs['targets']!))
}

const size = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1)

export function initialState(): HostTensors {
  return Object.fromEntries(
    Object.entries(smallNetwork.state).map(([name, { shape }], i) => {
      const isMoment = /^[mv]\//.test(name)
      return [name, isMoment ? new Float32Array(size(shape)) : numbers(size(shape), { size: 0.5, phase: 11 * i })]
    }),
  )
}

export function batchOfStep(step: number): HostTensors {
  const mask = (length: number, phase: number) =>
    numbers(length, { phase }).reduce((bytes, x, i) => bytes.fill(Number(x > -1), i, i + 1), new Uint8Array(length))
  return {
    // dark borders make ties in the first pooling
    images: numbers(batch * 15 * 18, { phase: 100 * step }).map((x, i) => (i % 18 < 4 ? 0 : x)),
    targets: Float32Array.from({ length: batch * 4 }, (_, i) => Number(i % 4 === (step + Math.floor(i / 4)) % 4)),
    mask1: mask(batch * 6 * 8 * 3, step),
    mask2: mask(batch * 4 * 6 * 8, step + 50),
    rate: Float32Array.of(0.003),
  }
}
