import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectAllClose } from '../../test/expect-close.ts'
import { nearestClassLogits } from './nearest-class.ts'

/** Probabilities by the distances themselves, of one x. */
function plain(x: number[], matrix: number[][]): number[] {
  const distance = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0)
  const m = matrix.length
  const pairs = matrix.flatMap((a, i) => matrix.filter((_, j) => j !== i).map((b) => distance(a, b)))
  const meanSquared = pairs.reduce((sum, d) => sum + d, 0) / pairs.length
  const logits = matrix.map((u) => (-distance(x, u) * Math.log(99 * (m - 1))) / meanSquared)
  const largest = Math.max(...logits)
  const total = logits.reduce((sum, l) => sum + Math.exp(l - largest), 0)
  return logits.map((l) => Math.exp(l - largest) / total)
}

function probabilities(x: number[], matrix: number[][]): number[] {
  return tf.tidy(() => Array.from(tf.softmax(nearestClassLogits(tf.tensor2d([x]), tf.tensor2d(matrix))).dataSync()))
}

describe('the class that is read from the nearest embedding', () => {
  it('has 99 % at one of embeddings that are equally far apart, however many and of whatever length', () => {
    for (const [m, length] of [
      [2, 1],
      [10, 1],
      [100, 30],
    ] as const) {
      const matrix = Array.from({ length: m }, (_, y) => Array.from({ length: m }, (__, k) => (k === y ? length : 0)))
      const found = probabilities(matrix[1]!, matrix)
      expect(found[1]).toBeCloseTo(0.99, 4)
      expect(found[0]).toBeCloseTo(0.01 / (m - 1), 4)
    }
  })

  it('is what the distances themselves give, also far from the origin', () => {
    const numbers = fc.double({ min: -2, max: 2, noNaN: true })
    const rows = fc.array(fc.array(numbers, { minLength: 3, maxLength: 3 }), { minLength: 3, maxLength: 6 })
    fc.assert(
      fc.property(
        rows,
        fc.array(numbers, { minLength: 3, maxLength: 3 }),
        fc.double({ min: -30, max: 30, noNaN: true }),
        (matrix, x, shift) => {
          // Embeddings that are all but the same have no scale.
          const spread = Math.max(...matrix.flatMap((a) => matrix.map((b) => Math.hypot(...a.map((value, i) => value - b[i]!)))))
          fc.pre(spread > 0.5)
          const moved = (row: number[]) => row.map((value) => value + shift)
          expectAllClose(probabilities(moved(x), matrix.map(moved)), plain(x, matrix), { absolute: 2e-3 })
        },
      ),
    )
  })
})
