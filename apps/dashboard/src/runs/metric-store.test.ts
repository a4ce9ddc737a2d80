import type { RunEvent } from '@noprop/contract'
import { expect, test } from 'vitest'
import { MetricStore } from './metric-store.ts'

const metrics = (block: number, step: number, accuracy: number) =>
  ({ type: 'block_metrics', run_id: 'run_x', seq: 1, time: '', block, epoch: 1, step, values: { accuracy } }) as RunEvent

test('live events that repeat the history double nothing', () => {
  const store = new MetricStore()
  store.addHistory([
    {
      name: 'accuracy',
      block: 1,
      points: [
        [10, 0.5],
        [20, 0.6],
      ],
      total_points: 2,
    },
  ])
  store.addEvent(metrics(1, 20, 0.6))
  store.addEvent(metrics(1, 30, 0.7))
  expect(store.lines('accuracy')[0]![1].xs).toEqual([10, 20, 30])
})

test('history that arrives after live events goes before them', () => {
  const store = new MetricStore()
  store.addEvent(metrics(1, 30, 0.7))
  store.addHistory([{ name: 'accuracy', block: 1, points: [[10, 0.5]], total_points: 1 }])
  expect(store.lines('accuracy')[0]![1].ys).toEqual([0.5, 0.7])
})

test('the shared head comes after the blocks', () => {
  const store = new MetricStore()
  for (const block of [0, 10, 2]) store.addEvent(metrics(block, 1, 0))
  expect(store.lines('accuracy').map(([block]) => block)).toEqual([2, 10, 0])
  expect(store.lines('denoising_loss')).toEqual([])
})
