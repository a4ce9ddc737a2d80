import { expect } from 'vitest'

interface Tolerance {
  /** relative to the expected number */
  readonly relative?: number
  readonly absolute?: number
}

/** Element by element |found − expected| ≤ absolute + relative·|expected|; the message names the worst element. */
export function expectAllClose(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  { relative = 1e-5, absolute = 1e-6 }: Tolerance = {},
) {
  expect(found.length).toBe(expected.length)
  for (let i = 0; i < expected.length; i++) {
    const limit = absolute + relative * Math.abs(expected[i]!)
    const difference = Math.abs(found[i]! - expected[i]!)
    if (!(difference <= limit)) expect.fail(`element ${i}: found ${found[i]}, expected ${expected[i]} within ${limit}`)
  }
}
