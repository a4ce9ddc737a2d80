import { describe, expect, test } from 'vitest'
import { aligned, columnsFor, GrowingSeries, nearestIndex, thinned, within } from './series.ts'

describe('GrowingSeries', () => {
  test('a step that comes twice replaces its point', () => {
    const series = new GrowingSeries()
    for (const [step, value] of [
      [10, 1],
      [20, 2],
      [10, 5],
    ] as const)
      series.add(step, value)
    expect(series.xs).toEqual([10, 20])
    expect(series.ys).toEqual([5, 2])
  })

  test('points that come late are put in their place', () => {
    const series = new GrowingSeries()
    for (const step of [30, 10, 20]) series.add(step, step)
    expect(series.xs).toEqual([10, 20, 30])
  })

  test('a long line stays within its limit and keeps its peak and both ends of its range', () => {
    const series = new GrowingSeries(100)
    for (let step = 0; step < 1000; step++) series.add(step, step === 333 ? 1000 : step / 1000)
    expect(series.xs.length).toBeLessThanOrEqual(100)
    expect(Math.max(...series.ys)).toBe(1000)
    expect(series.xs.at(-1)).toBe(999)
    expect(series.xs).toEqual([...series.xs].sort((a, b) => a - b))
  })
})

describe('thinned', () => {
  test('a short line is left alone', () => {
    const points = { xs: [1, 2], ys: [3, 4] }
    expect(thinned(points, 2)).toBe(points)
  })

  test('each bucket keeps its lowest and its highest point, in order', () => {
    const points = { xs: [0, 1, 2, 3, 4, 5, 6, 7], ys: [0, 9, 1, 2, 5, 5, -3, 4] }
    expect(thinned(points, 4)).toEqual({ xs: [0, 1, 4, 6], ys: [0, 9, 5, -3] })
  })
})

describe('aligned', () => {
  test('lines with different steps share one axis, and a missing point is undefined, not a gap', () => {
    expect(
      aligned([
        { xs: [1, 3], ys: [10, 30] },
        { xs: [2, 3], ys: [200, 300] },
      ]),
    ).toEqual([
      [1, 2, 3],
      [10, undefined, 30],
      [undefined, 200, 300],
    ])
  })

  test('no lines give an empty axis', () => expect(aligned([])).toEqual([[]]))
})

describe('columnsFor', () => {
  /** Ten thousand steps of which every line has its own ones, with one peak. */
  const long = Array.from({ length: 10 }, (_, line) => {
    const xs = Array.from({ length: 1000 }, (_, i) => 10 * i + line)
    return { xs, ys: xs.map((x) => (x === 5550 + line ? 100 + line : (x % 7) / 7)) }
  })

  test('few points stay where they are', () => {
    const lines = [{ xs: [1, 2], ys: [3, 4] }]
    expect(columnsFor(lines, 400)).toEqual(aligned(lines))
  })

  test('many points share two places for each pixel, in order', () => {
    const [xs, ...columns] = columnsFor(long, 200)
    expect(xs).toHaveLength(400)
    expect(xs).toEqual([...xs].sort((a, b) => a - b))
    for (const column of columns) expect(column).toHaveLength(400)
  })

  test('the peak and the lowest point of every line are still there, within a pixel of their place', () => {
    const [xs, ...columns] = columnsFor(long, 200)
    columns.forEach((column, line) => {
      const values = column.filter((y) => y !== undefined)
      expect(Math.max(...values)).toBe(100 + line)
      expect(Math.min(...values)).toBe(0)
      expect(Math.abs(xs[column.indexOf(100 + line)]! - (5550 + line))).toBeLessThan(10_000 / 200)
    })
  })

  test('a line that ends early has no points after its end', () => {
    const short = { xs: long[0]!.xs.slice(0, 100), ys: long[0]!.ys.slice(0, 100) }
    const [xs, column] = columnsFor([short, ...long.slice(1)], 200)
    column!.forEach((y, i) => {
      if (xs[i]! > 1050) expect(y).toBeUndefined()
    })
  })
})

test('within keeps a neighbour on either side, so that a line reaches the edges of a zoom', () => {
  const points = { xs: [1, 2, 3, 4, 5, 6], ys: [1, 2, 3, 4, 5, 6] }
  expect(within(points, 2.5, 4.5).xs).toEqual([2, 3, 4, 5])
  expect(within(points, 3, 4).xs).toEqual([2, 3, 4, 5])
  expect(within(points, 0, 9).xs).toEqual(points.xs)
})

test('nearestIndex finds the closer neighbour, the ends beyond the range, and nothing in nothing', () => {
  expect([0, 2.4, 2.6, 9].map((x) => nearestIndex([1, 2, 3], x))).toEqual([0, 1, 2, 2])
  expect(nearestIndex([], 1)).toBe(-1)
})
