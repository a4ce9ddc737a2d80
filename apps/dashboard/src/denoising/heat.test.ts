import { expect, test } from 'vitest'
import { confusionCells, heat, worstConfusions } from './heat.ts'

test('heat runs from 0 to 1 and lifts small shares', () => {
  expect([heat(0, 10), heat(10, 10), heat(5, 0)]).toEqual([0, 1, 0])
  expect(heat(1, 100)).toBeCloseTo(0.1)
})

test('shares are of the true class, and a class without images has none', () => {
  expect(
    confusionCells([
      [3, 1],
      [0, 0],
    ]).map((row) => row.map(({ share }) => share)),
  ).toEqual([
    [0.75, 0.25],
    [0, 0],
  ])
})

test('the worst confusions leave out the right answers', () => {
  const cells = confusionCells([
    [90, 2, 8],
    [0, 99, 1],
    [0, 0, 100],
  ])
  expect(worstConfusions(cells, 2).map(({ actual, predicted, count }) => [actual, predicted, count])).toEqual([
    [0, 2, 8],
    [0, 1, 2],
  ])
})
