import { tmpdir } from 'node:os'
import { beforeAll, describe, expect, test } from 'vitest'
import { type LoadedDataset, loadDataset, locateDataset, readImage } from '../src/index.ts'
import { statisticsOf } from './statistics.ts'

const datasetsDir = process.env['NOPROP_DATASETS_DIR']
const folders = { dataDir: tmpdir(), datasetsDir }

describe.skipIf(!datasetsDir || locateDataset('cifar-10', folders) !== 'local')('CIFAR-10 from NOPROP_DATASETS_DIR', () => {
  let cifar: LoadedDataset
  beforeAll(async () => {
    cifar = await loadDataset('cifar-10', folders)
  })

  test('is whole', () => {
    expect(cifar.train.images).toHaveLength(50_000 * 3072)
    expect(cifar.test.images).toHaveLength(10_000 * 3072)
    for (const [labels, perClass] of [[cifar.train.labels, 5000] as const, [cifar.test.labels, 1000] as const]) {
      expect(cifar.classes.map((_, label) => labels.filter((other) => other === label).length)).toEqual(cifar.classes.map(() => perClass))
    }
    expect(Array.from(cifar.train.labels.subarray(0, 5), (label) => cifar.classes[label])).toEqual([
      'frog',
      'truck',
      'truck',
      'deer',
      'automobile',
    ])
  })

  test('has the statistics it is normalised with', () => {
    const { mean, std } = statisticsOf(cifar.train.images, 3)
    for (let c = 0; c < 3; c++) {
      expect(mean[c]).toBeCloseTo(cifar.normalization.mean[c]!, 5)
      expect(std[c]).toBeCloseTo(cifar.normalization.std[c]!, 5)
    }
  })

  test('single images are those of the loaded set', async () => {
    for (const index of [0, 9_999, 10_000, 49_999])
      expect(await readImage('cifar-10', 'train', index, folders)).toEqual(cifar.train.images.slice(index * 3072, (index + 1) * 3072))
    expect(await readImage('cifar-10', 'test', 9_999, folders)).toEqual(cifar.test.images.slice(-3072))
  })
})
