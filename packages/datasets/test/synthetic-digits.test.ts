import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { defineSyntheticDigits } from '../src/synthetic-digits.ts'

const dataset = defineSyntheticDigits({ train: 600, test: 100 })
let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'noprop-synthetic-'))
})
afterEach(() => rm(dataDir, { recursive: true }))

/** Comparing half a million numbers one by one takes Vitest seconds. */
function digest({ train, test }: Awaited<ReturnType<typeof dataset.load>>): string {
  const hash = createHash('sha256')
  for (const bytes of [train.images, train.labels, test.images, test.labels]) hash.update(bytes)
  return hash.digest('hex')
}

const cached = (name: string) => join(dataDir, 'datasets', 'synthetic-digits', name)

test('both splits are balanced, shuffled and different', async () => {
  const { train, test: testSplit } = await dataset.load({ dataDir })
  const counts = (labels: Uint8Array) => Array.from({ length: 10 }, (_, digit) => labels.filter((label) => label === digit).length)
  expect(counts(train.labels)).toEqual(Array.from({ length: 10 }, () => 60))
  expect(counts(testSplit.labels)).toEqual(Array.from({ length: 10 }, () => 10))
  expect(new Set(train.labels.subarray(0, 20)).size).toBeGreaterThan(5)
  expect([...train.labels.subarray(0, 10)]).not.toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(train.images.subarray(0, 784)).not.toEqual(testSplit.images.subarray(0, 784))
  expect(train.images).toHaveLength(600 * 784)
})

test('the normalisation is that of the pixels', async () => {
  const { images } = (await dataset.load({ dataDir })).train
  let [sum, squares] = [0, 0]
  for (const value of images) {
    sum += value / 255
    squares += (value / 255) ** 2
  }
  const mean = sum / images.length
  // 600 of the 60,000 images: their mean differs from that of all by about 0.002
  expect(mean).toBeCloseTo(dataset.facts.normalization.mean[0]!, 2)
  expect(Math.sqrt(squares / images.length - mean * mean)).toBeCloseTo(dataset.facts.normalization.std[0]!, 2)
})

test('a single image is the one of the loaded set', async () => {
  const { test: testSplit } = await dataset.load({ dataDir })
  expect(await dataset.readImage('test', 42, { dataDir })).toEqual(testSplit.images.slice(42 * 784, 43 * 784))
})

test('the set is made once, and then read from the data folder', async () => {
  const made = digest(await dataset.load({ dataDir }))
  const { mtimeMs } = await stat(cached('train-images.idx'))
  const progress: string[] = []
  expect(digest(await dataset.load({ dataDir, onProgress: (p) => progress.push(p.file) }))).toBe(made)
  expect(progress).toEqual([])
  expect((await stat(cached('train-images.idx'))).mtimeMs).toBe(mtimeMs)
})

test('several at once leave one set and no rests', async () => {
  const [first, second] = await Promise.all([dataset.load({ dataDir }), dataset.load({ dataDir })])
  expect(digest(first)).toBe(digest(second))
  expect(await readdir(join(dataDir, 'datasets'))).toEqual(['synthetic-digits'])
})

test.each([
  ['a changed image', 'train-images.idx', (bytes: Buffer) => bytes.with(500, bytes[500]! ^ 1)],
  ['a truncated file', 'test-labels.idx', (bytes: Buffer) => bytes.subarray(0, 50)],
  ['an unreadable manifest', 'manifest.json', () => Buffer.from('{"sha')],
  [
    'another version',
    'manifest.json',
    (bytes: Buffer) => Buffer.from(bytes.toString().replace('"generatorVersion": 2', '"generatorVersion": 0')),
  ],
])('a cache with %s is made anew, with the same bytes', async (_, name, damage) => {
  const made = digest(await dataset.load({ dataDir }))
  const good = await readFile(cached(name))
  await writeFile(cached(name), damage(good))
  expect(digest(await dataset.load({ dataDir }))).toBe(made)
  expect((await readFile(cached(name))).equals(good)).toBe(true)
})

test('an abort ends the drawing and leaves nothing behind', async () => {
  const controller = new AbortController()
  const reason = new Error('stop')
  const loading = dataset.load({ dataDir, signal: controller.signal, onProgress: () => controller.abort(reason) })
  await expect(loading).rejects.toBe(reason)
  expect(await readdir(join(dataDir, 'datasets'))).toEqual([])
})
