import { expect, it } from 'vitest'
import { createMeanMetrics } from './mean-metrics.ts'

it('averages each number over the steps since the last report', () => {
  const metrics = createMeanMetrics()
  metrics.add({ loss: 1, accuracy: 0 })
  metrics.add({ loss: 3, accuracy: 1 })
  expect(metrics.take()).toEqual({ loss: 2, accuracy: 0.5 })
  metrics.add({ loss: 10, accuracy: 1 })
  expect(metrics.take()).toEqual({ loss: 10, accuracy: 1 })
})

it('has nothing to report when nothing was added', () => {
  expect(createMeanMetrics().take()).toBeNull()
})
