import { expect, test } from 'vitest'
import { median } from './statistics.ts'

test('the median is the middle value, or halfway between the two', () => {
  expect(median([3, 10, 1])).toBe(3)
  expect(median([4, 1, 10, 2])).toBe(3)
})
