import { expect, test } from 'vitest'
import { corresponds, formatAccuracy, publishedAccuracy, publishedFor, publishedResults } from './published-results.ts'

test('Table 1 has thirteen rows of its own, each with all three sets, and three that it quotes', () => {
  const own = publishedResults.filter(({ embedding }) => embedding !== undefined)
  expect(own).toHaveLength(13)
  for (const { test: accuracies, label } of own) {
    expect(Object.keys(accuracies), label).toEqual(['mnist', 'cifar-10', 'cifar-100'])
    for (const { mean, spread } of Object.values(accuracies)) {
      expect(mean).toBeGreaterThan(0)
      expect(mean).toBeLessThan(100)
      expect(spread).toBeGreaterThan(0)
    }
  }
  expect(publishedResults.slice(13).map(({ label }) => label)).toEqual([
    'Forward-Forward',
    'Forward Gradient, LG-FG-A',
    'Difference Target Propagation',
  ])
})

test('each method stands with each embedding once', () => {
  const names = publishedResults.flatMap(({ method, embedding }) => (method ? [`${method} ${embedding}`] : []))
  expect(new Set(names).size).toBe(names.length)
})

test.each([
  ['mnist', 'NoProp-DT, prototype', 99.54],
  ['cifar-10', 'NoProp-DT, prototype', 80.54],
  ['cifar-100', 'Backprop, prototype', 47.8],
])('the highest figure on %s is that of %s', (dataset, label, mean) => {
  const best = publishedFor(dataset).sort((a, b) => b.accuracy.mean - a.accuracy.mean)[0]!
  expect([best.result.label, best.accuracy.mean]).toEqual([label, mean])
})

test('what is quoted of other work has figures for the sets that were quoted, and no spread', () => {
  const quoted = (dataset: string) =>
    publishedFor(dataset)
      .slice(13)
      .map(({ result, accuracy }) => [result.label, accuracy])
  expect(quoted('mnist')).toEqual([
    ['Forward-Forward', { mean: 98.63 }],
    ['Forward Gradient, LG-FG-A', { mean: 97.45 }],
    ['Difference Target Propagation', { mean: 98.06 }],
  ])
  expect(quoted('cifar-10')).toEqual([
    ['Forward Gradient, LG-FG-A', { mean: 69.32 }],
    ['Difference Target Propagation', { mean: 50.71 }],
  ])
  expect(quoted('cifar-100')).toEqual([])
})

test('a set that the paper does not treat has no figures', () => expect(publishedFor('synthetic-digits')).toEqual([]))

test('a run finds the row of its method and embedding; Forward-Forward has one for every embedding', () => {
  expect(publishedAccuracy('cifar-10', { method: 'noprop-fm', embedding: 'learned' })).toEqual({ mean: 73.5, spread: 0.28 })
  expect(publishedAccuracy('mnist', { method: 'adjoint', embedding: 'learned' })).toBeUndefined()
  expect(publishedAccuracy('mnist', { method: 'forward-forward', embedding: 'one-hot' })).toEqual({ mean: 98.63 })
  expect(publishedResults.filter((result) => corresponds(result, { method: 'noprop-ct', embedding: 'one-hot' }))).toHaveLength(1)
})

test('figures are written as they are printed', () => {
  expect(formatAccuracy({ mean: 79.3, spread: 0.52 })).toBe('79.30 ± 0.52 %')
  expect(formatAccuracy({ mean: 98.06 })).toBe('98.06 %')
})
