import { expect, test } from 'vitest'
import { spread } from './spread.ts'

test('few items are all kept', () => expect(spread([1, 2, 3], 8)).toEqual([1, 2, 3]))

test('of many, the ends stay and the others are even', () => {
  expect(spread([0, 1, 2, 3, 4, 5, 6, 7, 8], 5)).toEqual([0, 2, 4, 6, 8])
  expect(
    spread(
      Array.from({ length: 20 }, (_, i) => i),
      8,
    ),
  ).toEqual([0, 3, 5, 8, 11, 14, 16, 19])
})
