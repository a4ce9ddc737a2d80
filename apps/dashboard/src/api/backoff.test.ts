import { expect, test } from 'vitest'
import { backoffMs } from './backoff.ts'

test('waits double and stay below 15 s', () => {
  expect([0, 1, 2, 20].map((attempt) => backoffMs(attempt, 0))).toEqual([500, 1000, 2000, 15_000])
})

test('randomness takes off no more than a third', () => {
  expect(backoffMs(1, 0.999)).toBeGreaterThan(666)
})
