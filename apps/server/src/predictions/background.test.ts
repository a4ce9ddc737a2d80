import { expect, test } from 'vitest'
import { fitBackground } from './background.ts'

const width = 120
const height = 90

function image(level: (column: number, row: number) => number) {
  return { width, height, values: Float32Array.from({ length: width * height }, (_, i) => level(i % width, Math.floor(i / width))) }
}

const lamp = (column: number, row: number) => 200 - 0.5 * column - 0.006 * (row - 30) ** 2
const isInk = (column: number, row: number) =>
  (column > 40 && column < 75 && row > 15 && row < 80) || (column > 20 && column < 100 && row > 40 && row < 50)

function worstError(values: Float32Array, expected: (column: number, row: number) => number): number {
  return values.reduce((worst, value, i) => Math.max(worst, Math.abs(value - expected(i % width, Math.floor(i / width)))), 0)
}

test('even paper is found exactly, under the ink too', () => {
  const { values, noise } = fitBackground(image((column, row) => (isInk(column, row) ? 20 : 240)))
  expect(worstError(values, () => 240)).toBeLessThan(0.01)
  expect(noise).toBeLessThan(0.01)
})

test('the light of a lamp is found, under the ink too', () => {
  const { values } = fitBackground(image((column, row) => (isInk(column, row) ? 0.3 : 1) * lamp(column, row)))
  expect(worstError(values, lamp)).toBeLessThan(3)
})

test('the texture of the paper is measured, not followed', () => {
  const texture = (column: number, row: number) => ((Math.imul(row * width + column + 1, 0x9e3779b1) >>> 16) % 21) - 10
  const { values, noise } = fitBackground(image((column, row) => 180 + texture(column, row)))
  expect(worstError(values, () => 180)).toBeLessThan(4)
  // the standard deviation of 21 equally likely levels is 6.06; the median deviation of a flat distribution overstates it
  expect(noise).toBeGreaterThan(5)
  expect(noise).toBeLessThan(9)
})

test.each([
  [1, 1],
  [2, 2],
  [1, 50],
  [50, 1],
])('an image of %i×%i has a background', (w, h) => {
  const { values } = fitBackground({ width: w, height: h, values: new Float32Array(w * h).fill(77) })
  expect([...values].every((value) => Math.abs(value - 77) < 0.01)).toBe(true)
})
