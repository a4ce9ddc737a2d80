import type { Preset, RunConfig } from '@noprop/contract'
import { describe, expect, test } from 'vitest'
import { counterpart, paperDatasets, presetTable } from './preset-table.ts'

const preset = (name: string, group: Preset['group'], datasets: string[], config: Partial<RunConfig>) =>
  ({ name, group, datasets, config: { head: 'softmax', ...config } }) as unknown as Preset

const presets = [
  preset('quick', 'quick', ['mnist', 'synthetic-digits'], { method: 'noprop-dt', embedding: 'one-hot' }),
  preset('quick-photo', 'quick', ['cifar-10'], { method: 'noprop-dt', embedding: 'one-hot' }),
  preset('quick-ct', 'quick', ['mnist'], { method: 'noprop-ct', embedding: 'one-hot' }),
  preset('adjoint-mnist', 'paper', ['mnist'], { method: 'adjoint', embedding: 'one-hot' }),
  preset('dt-mnist', 'paper', ['mnist'], { method: 'noprop-dt', embedding: 'one-hot' }),
  preset('dt-20-mnist', 'paper', ['mnist'], { method: 'noprop-dt', embedding: 'learned' }),
  preset('dt-cifar', 'paper', ['cifar-10'], { method: 'noprop-dt', embedding: 'one-hot' }),
]
const named = (name: string) => presets.find((other) => other.name === name)!

describe('presetTable', () => {
  test("holds the paper's rows of one data set, methods in their order", () => {
    const names = presetTable(presets, 'mnist').map(({ method, cells }) => [
      method,
      ...cells.map((cell) => cell.presets.map(({ name }) => name).join()),
    ])
    expect(names).toEqual([
      ['noprop-dt', 'dt-mnist', 'dt-20-mnist', ''],
      ['adjoint', 'adjoint-mnist', '', ''],
    ])
  })

  test('is empty for a data set that the paper does not treat', () => expect(presetTable(presets, 'synthetic-digits')).toEqual([]))
})

test('data sets with rows of the paper', () => expect(paperDatasets(presets)).toEqual(['mnist', 'cifar-10']))

describe('counterpart', () => {
  test('a preset that is meant for the data set stays', () => {
    expect(counterpart(presets, named('quick'), 'synthetic-digits')).toBe(named('quick'))
  })

  test('a row of the paper becomes the same row of the other data set, or nothing', () => {
    expect(counterpart(presets, named('dt-mnist'), 'cifar-10')).toBe(named('dt-cifar'))
    expect(counterpart(presets, named('dt-20-mnist'), 'cifar-10')).toBeUndefined()
  })

  test('a quick preset becomes the one of its method, or the first that fits', () => {
    expect(counterpart(presets, named('quick'), 'cifar-10')).toBe(named('quick-photo'))
    expect(counterpart(presets, named('quick-ct'), 'cifar-10')).toBe(named('quick-photo'))
  })
})
