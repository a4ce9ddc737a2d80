import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { datasetCatalog, loadDataset, readImage } from '../src/index.ts'

const folders = { dataDir: tmpdir() }

test('an index outside a split and an unknown set are refused', async () => {
  await expect(readImage('mnist', 'test', 10_000, folders)).rejects.toMatchObject({ code: 'DATASET_REQUEST' })
  await expect(readImage('synthetic-digits', 'train', -1, folders)).rejects.toMatchObject({ code: 'DATASET_REQUEST' })
  await expect(loadDataset('constructor' as 'mnist', folders)).rejects.toThrow('there is no dataset constructor')
})

test('the catalog knows every set without reading it', () => {
  expect(Object.entries(datasetCatalog).map(([name, facts]) => [name, facts.name, facts.trainExamples])).toEqual([
    ['mnist', 'mnist', 60_000],
    ['fashion-mnist', 'fashion-mnist', 60_000],
    ['cifar-10', 'cifar-10', 50_000],
    ['cifar-100', 'cifar-100', 50_000],
    ['synthetic-digits', 'synthetic-digits', 60_000],
  ])
})

test('every set gives each channel and class what it needs', () => {
  for (const [name, { classes, imageShape, normalization }] of Object.entries(datasetCatalog)) {
    expect([normalization.mean.length, normalization.std.length]).toEqual([imageShape[2], imageShape[2]])
    expect(new Set(classes).size).toBe(name === 'cifar-100' ? 100 : 10)
    expect(imageShape[0]).toBe(imageShape[1])
  }
})
