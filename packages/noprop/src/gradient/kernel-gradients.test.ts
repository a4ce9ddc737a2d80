import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it, test } from 'vitest'
import { differentiate } from '../train/differentiate.ts'
import { registerKernelGradients } from './kernel-gradients.ts'

registerKernelGradients()

const point = [-2, -0.5, 0.25, 3]

/** The gradient of Σ f(x) at `point`. */
function gradientOfSum(f: (x: tf.Tensor) => tf.Tensor): number[] {
  return tf.tidy(() =>
    Array.from(
      tf
        .grad((x) => tf.sum(f(x)))(tf.tensor1d(point))
        .dataSync(),
    ),
  )
}

describe('a gradient that several uses of a tensor add to', () => {
  const residual = (h: tf.Tensor) => tf.add(tf.add(h, tf.relu(h)), tf.mul(h, h))
  const positive = (x: number) => (x > 0 ? 1 : 0)

  it.each<[string, (x: tf.Tensor) => tf.Tensor, (x: number) => number]>([
    ['x² + x', (x) => tf.add(tf.mul(x, x), x), (x) => 2 * x + 1],
    ['x + x²', (x) => tf.add(x, tf.mul(x, x)), (x) => 2 * x + 1],
    ['x + x', (x) => tf.add(x, x), () => 2],
    ['(x + 1) + (x + x²)', (x) => tf.add(tf.add(x, 1), tf.add(x, tf.mul(x, x))), (x) => 2 + 2 * x],
    ['x² − x', (x) => tf.sub(tf.mul(x, x), x), (x) => 2 * x - 1],
    ['x − x²', (x) => tf.sub(x, tf.mul(x, x)), (x) => 1 - 2 * x],
    ['x − x', (x) => tf.sub(x, x), () => 0],
    ['relu(x) + x', (x) => tf.add(tf.relu(x), x), (x) => positive(x) + 1],
    ['x − relu(x)·x', (x) => tf.sub(x, tf.mul(tf.relu(x), x)), (x) => 1 - 2 * x * positive(x)],
    ['h + relu(h) + h² with h = x + 1', (x) => residual(tf.add(x, 1)), (x) => 1 + positive(x + 1) + 2 * (x + 1)],
  ])('is right for %s', (_, f, slope) => {
    expect(gradientOfSum(f)).toEqual(point.map(slope))
  })
})

test.each([
  ['add', tf.add, 1],
  ['sub', tf.sub, -1],
] as const)('%s sums the gradient of an operand over the rows it was broadcast to, and accumulates it', (_, op, sign) => {
  const found = tf.tidy(() => {
    const matrix = tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2])
    const objective = (row: tf.Tensor) => tf.add(tf.sum(op(matrix, row)), tf.sum(op(row, tf.mul(row, row))))
    return Array.from(
      tf
        .grad(objective)(tf.tensor1d([0.5, -1]))
        .dataSync(),
    )
  })
  expect(found).toEqual([0.5, -1].map((x) => sign * 3 + 1 + sign * 2 * x))
})

describe('differentiate', () => {
  const results = (x: tf.Tensor) => ({ loss: tf.sum(tf.mul(x, x)) as tf.Scalar, others: { twice: tf.mul(x, 2) } })

  it('gives loss, gradient and other results to the scope of its caller', () => {
    const before = tf.memory().numTensors
    tf.tidy(() => {
      const x = tf.tensor1d([1, 2])
      const { loss, others, gradients } = differentiate({ x }, ['x'], () => results(x))
      expect([loss, gradients['x']!, others['twice']!].map((tensor) => Array.from(tensor.dataSync()))).toEqual([[5], [2, 4], [2, 4]])
    })
    expect(tf.memory().numTensors).toBe(before)
  })

  // TensorFlow.js itself leaves what its tape had saved when a gradient fails; so the measure is what the other results add to that.
  it.each(['forward', 'backward'] as const)('keeps no other result when the %s pass fails', (pass) => {
    const leftBehind = (count: number) => {
      const before = tf.memory().numTensors
      const attempt = () =>
        tf.tidy(() => {
          const [x, unused] = [tf.tensor1d([1, 2]), tf.tensor1d([3])]
          const made = [1, 2, 3].map((factor) => tf.mul(x, factor))
          if (pass === 'forward') made[count]!.dispose()
          const others = Object.fromEntries(
            made.slice(0, pass === 'forward' ? count + 1 : count).map((tensor, i) => [`result${i}`, tensor]),
          )
          // The loss does not depend on `unused`, which autodiff refuses after the forward pass.
          differentiate({ x, unused }, pass === 'forward' ? ['x'] : ['x', 'unused'], () => ({ ...results(x), others }))
        })
      expect(attempt).toThrow()
      return tf.memory().numTensors - before
    }
    expect(leftBehind(2)).toBe(leftBehind(0))
  })
})
