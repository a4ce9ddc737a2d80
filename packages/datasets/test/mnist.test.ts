import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { loadDataset, locateDataset, readImage } from '../src/index.ts'
import { statisticsOf } from './statistics.ts'

const datasetsDir = process.env['NOPROP_DATASETS_DIR']
const folders = { dataDir: tmpdir(), datasetsDir }

describe.skipIf(!datasetsDir || locateDataset('mnist', folders) !== 'local')('MNIST from NOPROP_DATASETS_DIR', () => {
  test('is whole, and has the statistics it is normalised with', async () => {
    const mnist = await loadDataset('mnist', folders)
    expect(mnist.train.images).toHaveLength(60_000 * 784)
    expect([...mnist.train.labels.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
    expect([...mnist.test.labels.subarray(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
    const { mean, std } = statisticsOf(mnist.train.images, 1)
    expect(mean[0]).toBeCloseTo(mnist.normalization.mean[0]!, 4)
    expect(std[0]).toBeCloseTo(mnist.normalization.std[0]!, 4)
    expect(mnist.sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(await readImage('mnist', 'test', 9_999, folders)).toEqual(mnist.test.images.slice(-784))
  })
})
