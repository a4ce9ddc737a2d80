import { expect, test } from 'vitest'
import { linesOf, unitStyles } from './metric-charts.ts'
import { MetricStore } from './metric-store.ts'

const store = new MetricStore()
store.addHistory([
  {
    name: 'accuracy',
    block: 0,
    points: [
      [30, 0.1],
      [60, 0.2],
    ],
    total_points: 2,
  },
  {
    name: 'accuracy',
    block: 2,
    points: [
      [10, 0.5],
      [20, 0.6],
    ],
    total_points: 2,
  },
])
const options = { blocks: 3, dark: false, smoothing: 0, hidden: new Set<string>() }

test('a metric has a line for each unit that reports it, the head last', () => {
  expect(linesOf(store, 'accuracy', options).map(({ label }) => label)).toEqual(['Block 2', 'Head'])
})

test('the head, updated T times as often, shares the axis of the blocks', () => {
  expect(linesOf(store, 'accuracy', options)[1]!.points.xs).toEqual([10, 20])
})

test('a block keeps its colour whether or not the others have begun', () => {
  expect(linesOf(store, 'accuracy', options)[0]!.color).toBe(unitStyles(3, false)[1]!.color)
})

test('a hidden line stays in the list, so that the chart need not be built again', () => {
  expect(linesOf(store, 'accuracy', { ...options, hidden: new Set(['block-2']) })[0]!.hidden).toBe(true)
})
