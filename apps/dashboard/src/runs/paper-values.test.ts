import type { Preset, RunConfig } from '@noprop/contract'
import { expect, test } from 'vitest'
import { paperValue } from './paper-values.ts'

const row = (dataset: string, config: Partial<RunConfig>, group = 'paper') =>
  ({
    group,
    datasets: [dataset],
    config: { method: 'noprop-dt', embedding: 'one-hot', channels: [32, 64, 128], seed: 1, ...config },
  }) as unknown as Preset
const presets = [row('mnist', { epochs: 2 }, 'quick'), row('mnist', { epochs: 100 }), row('cifar-10', { epochs: 150 })]
const discrete = { method: 'noprop-dt', embedding: 'one-hot' } as const

test('the value comes from the row of the data set', () => {
  expect(paperValue('epochs', discrete, { presets, dataset: 'cifar-10' })).toBe(150)
})

test('for a set that the paper does not treat, only what all its rows have in common counts', () => {
  expect(paperValue('epochs', discrete, { presets, dataset: 'synthetic-digits' })).toBeUndefined()
  expect(paperValue('channels', discrete, { presets, dataset: 'synthetic-digits' })).toEqual([32, 64, 128])
})

test('a method or embedding that the paper does not have gives no value', () => {
  expect(paperValue('epochs', { ...discrete, embedding: 'learned' }, { presets, dataset: 'mnist' })).toBeUndefined()
})

test('what the paper leaves open has none, though the presets have', () => {
  expect(paperValue('seed', discrete, { presets, dataset: 'mnist' })).toBeUndefined()
})
