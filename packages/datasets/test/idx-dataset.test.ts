import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DatasetCorruptError, DatasetUnavailableError } from '../src/errors.ts'
import { defineIdxDataset } from '../src/idx-dataset.ts'
import { idxFixture } from './idx-fixture.ts'

const { set, files, pixel } = idxFixture()
const dataset = defineIdxDataset(set)
let folders: { dataDir: string; datasetsDir: string }

beforeEach(async () => {
  const root = await mkdtemp(join(tmpdir(), 'noprop-datasets-'))
  folders = { dataDir: join(root, 'data'), datasetsDir: join(root, 'kept') }
  await mkdir(join(folders.datasetsDir, 'fixture'), { recursive: true })
})
afterEach(() => rm(join(folders.dataDir, '..'), { recursive: true }))

async function keep(names: readonly string[], folder = 'fixture') {
  for (const name of names) await writeFile(join(folders.datasetsDir, folder, name), files.get(name)!)
}
const plainNames = ['train-images', 'train-labels', 'test-images', 'test-labels']
const archiveNames = plainNames.map((name) => `${name}.gz`)

describe('a set in NOPROP_DATASETS_DIR', () => {
  test.each([
    ['plain', plainNames, 'fixture'],
    ['as archives', archiveNames, 'fixture'],
    ['without a folder of its own', archiveNames, '.'],
    ['in both forms mixed', [...plainNames.slice(0, 2), ...archiveNames.slice(2)], 'fixture'],
  ])('is read %s', async (_, names, folder) => {
    await keep(names, folder)
    expect(dataset.locate(folders)).toBe('local')
    const { train, test: testSplit } = await dataset.load(folders)
    expect(train.images).toEqual(Uint8Array.from({ length: 320 }, (_, i) => pixel(i)))
    expect([...testSplit.labels]).toEqual([0, 3, 6, 9, 2, 5, 8, 1, 4, 7])
    expect(await dataset.readImage('train', 19, folders)).toEqual(train.images.slice(304))
    expect(await dataset.readImage('test', 1, folders)).toEqual(testSplit.images.slice(16, 32))
  })

  test('is not used while a file of it is missing', async () => {
    await keep(plainNames.slice(1))
    expect(dataset.locate(folders)).toBe('download')
  })
})

describe('a damaged file', () => {
  const archive = files.get('train-images.gz')!
  const plain = files.get('train-images')!
  const changed = Uint8Array.from(plain)
  changed[100]! ^= 1

  test.each([
    ['truncated archive', 'train-images.gz', archive.subarray(0, 200), 'truncated or not gzip'],
    ['text in place of an archive', 'train-images.gz', new TextEncoder().encode('<html>not found</html>'), 'truncated or not gzip'],
    ['archive that unpacks to far more', 'train-images.gz', gzipSync(new Uint8Array(2 ** 20)), 'unpacks to more than the 336 bytes'],
    ['archive of another file', 'train-images.gz', files.get('test-images.gz')!, 'holds 10×4×4 values where 20×4×4 belong'],
    ['truncated plain file', 'train-images', plain.subarray(0, 200), 'truncated'],
    ['endless plain file', 'train-images', new Uint8Array(10_000), 'too long'],
    ['wrong magic number', 'train-images', new Uint8Array(336), 'begins with 0x00000000'],
    ['single changed bit', 'train-images', changed, 'has the checksum'],
  ])('(%s) is named with what is wrong', async (_, name, content, problem) => {
    await keep(plainNames.slice(1))
    await writeFile(join(folders.datasetsDir, 'fixture', name), content)
    const error = await dataset.load(folders).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(DatasetCorruptError)
    expect(error).toMatchObject({ code: 'DATASET_CORRUPT', file: join(folders.datasetsDir, 'fixture', name) })
    expect((error as Error).message).toContain(problem)
  })
})

describe('a set of which only the checksums of the archives are known', () => {
  const withoutSha256 = ({ images, labels }: (typeof set.files)['train']) => ({
    images: { ...images, sha256: null },
    labels: { ...labels, sha256: null },
  })
  const parts = { train: withoutSha256(set.files.train), test: withoutSha256(set.files.test) }
  const guarded = defineIdxDataset({ ...set, files: parts })

  async function problemOf(name: string, content: Uint8Array) {
    await keep(archiveNames.filter((other) => other !== `${name.replace('.gz', '')}.gz`))
    await writeFile(join(folders.datasetsDir, 'fixture', name), content)
    return guarded.load(folders).then(
      () => 'none',
      (error: unknown) => {
        expect(error).toMatchObject({ code: 'DATASET_CORRUPT', file: join(folders.datasetsDir, 'fixture', name) })
        return (error as Error).message
      },
    )
  }

  test.each([
    ['plain', plainNames],
    ['as archives', archiveNames],
  ])('is read %s', async (_, names) => {
    await keep(names)
    expect((await guarded.load(folders)).train.images).toEqual(Uint8Array.from({ length: 320 }, (_, i) => pixel(i)))
  })

  test('refuses an archive that is not the published one', async () => {
    expect(await problemOf('train-images.gz', gzipSync(files.get('train-images')!, { level: 9 }))).toContain('has the checksum')
  })

  test.each([
    ['with a label that is no class', 'train-labels', files.get('train-labels')!.with(8 + 3, 10), 'has the label 10'],
    ['with a byte too many', 'train-images', Buffer.concat([files.get('train-images')!, Buffer.alloc(1)]), 'is too long'],
    ['with a byte too few', 'train-images', files.get('train-images')!.subarray(0, -1), 'is truncated'],
    ['with the images of the other split', 'train-images', files.get('test-images')!, 'holds 10×4×4 values'],
  ])('refuses a plain file %s', async (_, name, content, problem) => {
    expect(await problemOf(name, content)).toContain(problem)
  })
})

test('without network or files the error names the folder and the files that it wants', async () => {
  const error = await dataset.load(folders).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(DatasetUnavailableError)
  expect(error).toMatchObject({ code: 'DATASET_UNAVAILABLE', folder: join(folders.dataDir, 'datasets', 'fixture'), files: archiveNames })
  expect((error as Error).message).toContain(`Put ${archiveNames.join(', ')} into ${join(folders.dataDir, 'datasets', 'fixture')}`)
  expect((error as Error).message).toContain('NOPROP_DATASETS_DIR')
})

test('an image of a set that is not here is an error, not a download', async () => {
  await expect(dataset.readImage('train', 0, folders)).rejects.toThrow(DatasetUnavailableError)
})
