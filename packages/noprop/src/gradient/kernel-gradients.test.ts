import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it, test } from 'vitest'
import { expectAllClose } from '../../test/expect-close.ts'
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

describe('the gradient of an element-wise kernel', () => {
  const logistic = (x: number) => 1 / (1 + Math.exp(-x))

  it.each<[string, (x: tf.Tensor) => tf.Tensor, (x: number) => number]>([
    ['neg', tf.neg, () => -1],
    ['square', tf.square, (x) => 2 * x],
    ['exp', tf.exp, Math.exp],
    ['tanh', tf.tanh, (x) => 1 - Math.tanh(x) ** 2],
    ['sigmoid', tf.sigmoid, (x) => logistic(x) * (1 - logistic(x))],
    ['softplus', tf.softplus, logistic],
    ['sqrt', (x) => tf.sqrt(tf.add(x, 3)), (x) => 0.5 / Math.sqrt(x + 3)],
    ['log', (x) => tf.log(tf.add(x, 3)), (x) => 1 / (x + 3)],
    ['log1p', (x) => tf.log1p(tf.add(x, 3)), (x) => 1 / (x + 4)],
    ['a quotient of its own parts', (x) => tf.div(x, tf.add(x, 3)), (x) => 3 / (x + 3) ** 2],
    ['tanh of tanh', (x) => tf.tanh(tf.tanh(x)), (x) => (1 - Math.tanh(Math.tanh(x)) ** 2) * (1 - Math.tanh(x) ** 2)],
  ])('is right for %s', (_, f, slope) => {
    expectAllClose(gradientOfSum(f), point.map(slope))
  })

  it('of a quotient is summed over the axes along which an operand was broadcast', () => {
    const [numerator, denominator] = [
      [1, 2, 3, 4],
      [2, -4],
    ]
    const [da, db] = tf.tidy(() => {
      const run = tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.sum(tf.div(a, b)))
      return run([tf.tensor2d(numerator!, [2, 2]), tf.tensor1d(denominator!)]).map((gradient) => Array.from(gradient.dataSync()))
    }) as [number[], number[]]
    expectAllClose(da, [0.5, -0.25, 0.5, -0.25])
    expectAllClose(db, [-(1 + 3) / 4, -(2 + 4) / 16])
  })
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
