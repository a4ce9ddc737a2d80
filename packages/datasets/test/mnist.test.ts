import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { datasetCatalog, loadDataset, locateDataset, readImage } from '../src/index.ts'

const datasetsDir = process.env['NOPROP_DATASETS_DIR']
const folders = { dataDir: tmpdir(), datasetsDir }

describe.skipIf(!datasetsDir || locateDataset('mnist', folders) !== 'local')('MNIST from NOPROP_DATASETS_DIR', () => {
  test('is whole, and has the statistics it is normalised with', async () => {
    const mnist = await loadDataset('mnist', folders)
    expect(mnist.train.images).toHaveLength(60_000 * 784)
    expect([...mnist.train.labels.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
    expect([...mnist.test.labels.subarray(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
    let [sum, squares] = [0, 0]
    for (const value of mnist.train.images) {
      sum += value
      squares += value * value
    }
    const mean = sum / mnist.train.images.length / 255
    expect(mean).toBeCloseTo(mnist.normalization.mean[0]!, 4)
    expect(Math.sqrt(squares / mnist.train.images.length / 255 ** 2 - mean ** 2)).toBeCloseTo(mnist.normalization.std[0]!, 4)
    expect(mnist.sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(await readImage('mnist', 'test', 9_999, folders)).toEqual(mnist.test.images.slice(-784))
  })
})

test('an index outside a split and an unknown set are refused', async () => {
  await expect(readImage('mnist', 'test', 10_000, folders)).rejects.toMatchObject({ code: 'DATASET_REQUEST' })
  await expect(readImage('synthetic-digits', 'train', -1, folders)).rejects.toMatchObject({ code: 'DATASET_REQUEST' })
  await expect(loadDataset('constructor' as 'mnist', folders)).rejects.toThrow('there is no dataset constructor')
})

test('the catalog knows every set without reading it', () => {
  expect(Object.entries(datasetCatalog).map(([name, facts]) => [name, facts.name, facts.trainExamples])).toEqual([
    ['mnist', 'mnist', 60_000],
    ['synthetic-digits', 'synthetic-digits', 60_000],
  ])
})
