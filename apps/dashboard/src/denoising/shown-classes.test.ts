import { describe, expect, test } from 'vitest'
import { mostProbable, shownClasses } from './shown-classes.ts'

describe('shownClasses', () => {
  test('few classes are all shown', () => expect(shownClasses([[0.2, 0.5, 0.3]], 10)).toEqual([0, 1, 2]))

  test('of many, those that come highest after any step, in their order', () => {
    const rows = [
      [0.1, 0.6, 0.1, 0.1, 0.1],
      [0.0, 0.1, 0.05, 0.05, 0.8],
      [0.2, 0.1, 0.0, 0.0, 0.7],
    ]
    expect(shownClasses(rows, 3)).toEqual([0, 1, 4])
  })

  test('no rows have no classes', () => expect(shownClasses([], 10)).toEqual([]))
})

describe('mostProbable', () => {
  test('few classes stay in their order', () => {
    expect(mostProbable([0.2, 0.5, 0.3], 10)).toEqual({ classes: [0, 1, 2], others: 0, rest: 0 })
  })

  test('of many, the highest come first, and the others are counted and summed', () => {
    const { classes, others, rest } = mostProbable([0.1, 0.05, 0.5, 0.05, 0.3], 3)
    expect([classes, others]).toEqual([[2, 4, 0], 2])
    expect(rest).toBeCloseTo(0.1)
  })
})
