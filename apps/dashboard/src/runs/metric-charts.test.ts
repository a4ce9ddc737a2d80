import { describe, expect, test } from 'vitest'
import { chartsOf, linesOf, unitStyles } from './metric-charts.ts'
import { MetricStore } from './metric-store.ts'

const series = (name: string, block: number, points: [number, number][]) => ({ name, block, points, total_points: points.length })
const storeOf = (...items: ReturnType<typeof series>[]) => {
  const store = new MetricStore()
  store.addHistory(items)
  return store
}
const point: [number, number][] = [[10, 0.5]]

describe('linesOf', () => {
  const store = storeOf(series('accuracy', 0, [[30, 0.1], [60, 0.2]]), series('accuracy', 2, [[10, 0.5], [20, 0.6]])) // prettier-ignore
  const units = [1, 2, 3, 0]
  const options = { method: 'noprop-dt', units, dark: false, smoothing: 0, hidden: new Set<string>() } as const

  test('a metric has a line for each unit that reports it, the head last', () => {
    expect(linesOf(store, 'accuracy', options).map(({ label }) => label)).toEqual(['Block 2', 'Head'])
  })

  test('the head, updated T times as often, shares the axis of the blocks', () => {
    expect(linesOf(store, 'accuracy', options)[1]!.points.xs).toEqual([10, 20])
  })

  test('a block keeps its colour whether or not the others have begun', () => {
    expect(linesOf(store, 'accuracy', options)[0]!.color).toBe(unitStyles(units, false)[1]!.color)
  })

  test('a hidden line stays in the list, so that the chart need not be built again', () => {
    expect(linesOf(store, 'accuracy', { ...options, hidden: new Set(['block-2']) })[0]!.hidden).toBe(true)
  })

  test('the line of one network is not called a block', () => {
    const lines = linesOf(storeOf(series('kl', 1, point)), 'kl', { ...options, method: 'noprop-ct', units: [1] })
    expect(lines.map(({ label }) => label)).toEqual(['Network'])
  })
})

describe('chartsOf', () => {
  const namesOf = (...args: Parameters<typeof chartsOf>) => chartsOf(...args).map(({ name }) => name)
  const discrete = { method: 'noprop-dt', embedding: 'one-hot' } as const

  test('before anything is reported, there are charts for what will be', () => {
    expect(namesOf(new MetricStore(), discrete).slice(0, 2)).toEqual(['denoising_loss', 'accuracy'])
    expect(namesOf(new MetricStore(), { method: 'backprop', embedding: 'one-hot' })[0]).toBe('cross_entropy')
  })

  test('what the head reports first takes no chart of the blocks away', () => {
    const store = storeOf(series('cross_entropy', 0, point), series('accuracy', 0, point))
    expect(namesOf(store, discrete)).toContain('denoising_loss')
    expect(namesOf(store, discrete)).toContain('cross_entropy')
  })

  test('then there are charts for what is there, metrics without a name of their own last', () => {
    const store = storeOf(series('positive_goodness', 1, point), series('idle_share', 1, point), series('accuracy', 1, point))
    expect(chartsOf(store, { method: 'forward-forward', embedding: 'one-hot' })).toMatchObject([
      { name: 'accuracy', title: 'Accuracy' },
      { name: 'positive_goodness', title: 'Goodness, right labels' },
      { name: 'idle_share', title: 'Idle share' },
    ])
  })

  test('flow matching has no weights, and no chart of them', () => {
    const store = storeOf(series('denoising_loss', 1, point), series('weighted_loss', 1, point))
    expect(namesOf(store, { method: 'noprop-fm', embedding: 'one-hot' })).toEqual(['denoising_loss'])
    expect(namesOf(store, { method: 'noprop-ct', embedding: 'one-hot' })).toEqual(['denoising_loss', 'weighted_loss'])
  })

  test('no chart claims that gradients stay inside a block where they do not', () => {
    const store = storeOf(series('gradient_norm', 1, point))
    const noteOf = (method: 'noprop-dt' | 'backprop', embedding: 'one-hot' | 'learned') => chartsOf(store, { method, embedding })[0]!.note
    expect(noteOf('noprop-dt', 'one-hot')).toContain('none crosses')
    expect(noteOf('noprop-dt', 'learned')).not.toContain('none crosses')
    expect(noteOf('backprop', 'one-hot')).toBe('Of all blocks together')
  })
})
