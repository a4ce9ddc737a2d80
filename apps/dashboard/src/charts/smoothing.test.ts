import { expect, test } from 'vitest'
import { smoothed } from './smoothing.ts'

test('a constant line stays as it is', () => {
  const { ys } = smoothed({ xs: [1, 2, 3], ys: [4, 4, 4] }, 0.9)
  for (const y of ys) expect(y).toBeCloseTo(4, 12)
})

test('the first point is the first value', () => {
  expect(smoothed({ xs: [1, 2], ys: [8, 0] }, 0.5).ys[0]).toBe(8)
})

test('with weight 0.5 the second point leans twice as much to the newer value', () => {
  expect(smoothed({ xs: [1, 2], ys: [3, 0] }, 0.5).ys[1]).toBeCloseTo(1, 12)
})

test('weight 0 gives the very same line', () => {
  const points = { xs: [1], ys: [2] }
  expect(smoothed(points, 0)).toBe(points)
})
