import { expect, test } from 'vitest'
import { gatherBatch, normalizePixels } from './gather-batch.ts'

const normalization = { mean: [0.5, 0.25], std: [0.5, 0.125] }
const split = { images: Uint8Array.from([0, 0, 255, 255, 51, 102, 0, 255, 128, 64, 1, 2]), labels: Uint8Array.from([3, 1, 2]) }

test('a batch holds the asked images in order, each channel with its own mean and deviation', () => {
  const batch = gatherBatch(split, Uint32Array.from([2, 0]), normalization, { images: new Float32Array(8), labels: new Uint8Array(2) })
  const expected = [128, 64, 1, 2, 0, 0, 255, 255].map((value, i) => (value / 255 - normalization.mean[i % 2]!) / normalization.std[i % 2]!)
  expect([...batch.labels]).toEqual([2, 3])
  batch.images.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5))
})

test('single pixels are normalised as a batch is', () => {
  const batch = gatherBatch(split, Uint32Array.from([1]), normalization, { images: new Float32Array(4), labels: new Uint8Array(1) })
  expect(normalizePixels(split.images.subarray(4, 8), normalization)).toEqual(batch.images)
})

test('an index outside the split and a buffer too small are refused', () => {
  const out = { images: new Float32Array(4), labels: new Uint8Array(1) }
  expect(() => gatherBatch(split, Uint32Array.from([3]), normalization, out)).toThrow('image 3 of a split of 3')
  expect(() => gatherBatch(split, Uint32Array.from([0, 1]), normalization, out)).toThrow('fewer than 2 images')
})
