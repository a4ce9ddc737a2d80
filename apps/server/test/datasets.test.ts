import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Dataset } from '@noprop/contract'
import { locateDataset, readImage } from '@noprop/datasets'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeDataDir, problem, TestServer } from './support/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start({ datasetsDir: null })
})
afterAll(() => server.close())

async function pixelsOf(url: string, colourspace = 'b-w'): Promise<{ response: Response; pixels: Uint8Array }> {
  const response = await fetch(url)
  const pixels = await sharp(Buffer.from(await response.arrayBuffer()))
    .toColourspace(colourspace)
    .raw()
    .toBuffer()
  return { response, pixels: Uint8Array.from(pixels) }
}

test('every dataset is listed with where its files are', async () => {
  const { status, body } = await server.get<{ items: Dataset[] }>('/v1/datasets')
  expect(status).toBe(200)
  expect(body.items.map(({ name, source, image_shape, train_examples }) => [name, source, image_shape, train_examples])).toEqual([
    ['mnist', 'download', [28, 28, 1], 60_000],
    ['fashion-mnist', 'download', [28, 28, 1], 60_000],
    ['cifar-10', 'download', [32, 32, 3], 50_000],
    ['cifar-100', 'download', [32, 32, 3], 50_000],
    ['synthetic-digits', 'generated', [28, 28, 1], 60_000],
  ])
})

test('an image is a PNG of its very pixels, which a browser may keep', async () => {
  const { response, pixels } = await pixelsOf(`${server.url}/v1/datasets/synthetic-digits/images/test/9999`)
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('image/png')
  expect(response.headers.get('cache-control')).toBe('private, max-age=3600')
  expect(pixels).toEqual(await readImage('synthetic-digits', 'test', 9999, { dataDir: server.dataDir }))
})

test.each([
  ['/v1/datasets/synthetic-digits/images/test/10000', 404, '/index'],
  ['/v1/datasets/cats/images/test/0', 404, '/name'],
  ['/v1/datasets/__proto__/images/test/0', 404, '/name'],
  ['/v1/datasets/synthetic-digits/images/test/-1', 400, '/index'],
  ['/v1/datasets/synthetic-digits/images/test/1.5', 400, '/index'],
  ['/v1/datasets/synthetic-digits/images/validation/0', 400, '/split'],
])('%s is refused, naming the field', async (path, status, pointer) => {
  const answer = await server.get(path)
  expect(answer.status).toBe(status)
  expect(problem(answer).errors?.map((error) => error.pointer)).toEqual([pointer])
})

test('an image of a set that is not on this machine is a conflict that says how to get it', async () => {
  const answer = await server.get('/v1/datasets/mnist/images/train/0')
  expect(answer.status).toBe(409)
  expect(problem(answer)).toMatchObject({ code: 'DATASET_UNAVAILABLE' })
  expect(problem(answer).detail).toContain('A run on this dataset downloads it')
})

test('a damaged file of a set is a conflict that names it', async () => {
  const folder = await makeDataDir()
  const file = join(folder, 'train-images-idx3-ubyte.gz')
  for (const name of ['train-images-idx3', 'train-labels-idx1', 't10k-images-idx3', 't10k-labels-idx1'])
    await writeFile(join(folder, `${name}-ubyte.gz`), 'damaged')
  const other = await TestServer.start({ datasetsDir: folder })
  const answer = await other.get('/v1/datasets/mnist/images/train/0')
  await other.close()
  await rm(folder, { recursive: true })
  expect(answer.status).toBe(409)
  expect(problem(answer)).toMatchObject({ code: 'DATASET_CORRUPT', detail: expect.stringContaining(file) as string })
})

const datasetsDir = process.env['NOPROP_DATASETS_DIR']
const locals = (['mnist', 'cifar-10'] as const).filter((name) => locateDataset(name, { dataDir: '', datasetsDir }) === 'local')
describe.skipIf(locals.length === 0)('from NOPROP_DATASETS_DIR', () => {
  test.each(locals)('%s is local, and its images are shown as they are', async (name) => {
    const withFiles = await TestServer.start({ datasetsDir })
    try {
      const { body } = await withFiles.get<{ items: Dataset[] }>('/v1/datasets')
      const dataset = body.items.find((item) => item.name === name)!
      expect(dataset.source).toBe('local')
      const last = dataset.train_examples - 1
      const url = `${withFiles.url}/v1/datasets/${name}/images/train/${last}`
      const { pixels } = await pixelsOf(url, dataset.image_shape[2] === 3 ? 'srgb' : 'b-w')
      expect(pixels).toEqual(await readImage(name, 'train', last, { dataDir: withFiles.dataDir, datasetsDir }))
    } finally {
      await withFiles.close()
    }
  })
})
