import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { type TarEntry } from 'modern-tar'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { defineCifarDataset } from '../src/cifar-dataset.ts'
import type { DatasetDefinition } from '../src/dataset.ts'
import { DatasetCorruptError, DatasetUnavailableError } from '../src/errors.ts'
import { cifarFixture, imageOf, tarFile, tarOf } from './cifar-fixture.ts'

let folders: { dataDir: string; datasetsDir: string }
beforeEach(async () => {
  const root = await mkdtemp(join(tmpdir(), 'noprop-cifar-'))
  folders = { dataDir: join(root, 'data'), datasetsDir: join(root, 'kept') }
})
afterEach(() => rm(join(folders.dataDir, '..'), { recursive: true }))

async function keep(folder: string, files: Iterable<readonly [string, Uint8Array]>) {
  await mkdir(join(folders.datasetsDir, folder), { recursive: true })
  for (const [name, bytes] of files) await writeFile(join(folders.datasetsDir, folder, name), bytes)
}
const ownFolder = () => join(folders.dataDir, 'datasets', 'fixture')

async function expectWhole(dataset: DatasetDefinition) {
  const { train, test: testSplit } = await dataset.load(folders)
  expect(train.images).toEqual(Uint8Array.from(Array.from({ length: 8 }, (_, i) => [...imageOf(i)]).flat()))
  expect([...train.labels]).toEqual([0, 3, 6, 9, 2, 5, 8, 1])
  expect(testSplit.images.slice(0, 3072)).toEqual(imageOf(8))
  expect([...testSplit.labels]).toEqual([4, 7, 0, 3])
}

describe.each([1, 2] as const)('with %i label bytes', async (labelBytes) => {
  const { set, files, names } = await cifarFixture(labelBytes)
  const dataset = defineCifarDataset(set)
  const kept = (...wanted: string[]) => wanted.map((name) => [name, files.get(name)!] as const)

  test.each([
    ['plain, in the folder of the archive', 'fixture/fixture-bin', names],
    ['gzipped', 'fixture', names.map((name) => `${name}.gz`)],
    ['without a folder, in both forms mixed', '.', [names[0]!, ...names.slice(1).map((name) => `${name}.gz`)]],
    ['as the archive', 'fixture', ['fixture.tar.gz']],
  ])('a set is read %s', async (_, folder, wanted) => {
    await keep(folder, kept(...wanted))
    expect(dataset.locate(folders)).toBe('local')
    await expectWhole(dataset)
    expect(dataset.locate(folders)).toBe('local')
    expect((await readdir(join(folders.datasetsDir, folder))).sort()).toEqual([...wanted].sort())
  })

  test.each([['plain', names] as const, ['gzipped', names.map((name) => `${name}.gz`)] as const, ['archive', ['fixture.tar.gz']] as const])(
    'single images are read from what is kept (%s)',
    async (_, wanted) => {
      await keep('fixture', kept(...wanted))
      for (const index of [0, 4, 5, 7]) expect(await dataset.readImage('train', index, folders)).toEqual(imageOf(index))
      expect(await dataset.readImage('test', 3, folders)).toEqual(imageOf(11))
    },
  )

  test('an archive that was put into the data folder is unpacked there, and then needed no more', async () => {
    await mkdir(ownFolder(), { recursive: true })
    await writeFile(join(ownFolder(), 'fixture.tar.gz'), files.get('fixture.tar.gz')!)
    expect(dataset.locate(folders)).toBe('downloaded')
    await expectWhole(dataset)
    expect((await readdir(ownFolder())).sort()).toEqual([...names].sort())
    expect(dataset.locate(folders)).toBe('downloaded')
    await expectWhole(dataset)
  })
})

test('a set is downloaded once, with the progress of both steps', async () => {
  const { set, files } = await cifarFixture(1)
  let requests = 0
  const server = createServer((_, response) => {
    requests++
    response.end(files.get('fixture.tar.gz'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const mirrors = [`http://127.0.0.1:${(server.address() as AddressInfo).port}/`]
  const dataset = defineCifarDataset({ ...set, mirrors })
  try {
    expect(dataset.locate(folders)).toBe('download')
    const done: string[] = []
    const note = (p: { file: string; receivedBytes: number; totalBytes: number | null }) => {
      if (p.receivedBytes === p.totalBytes && done.at(-1) !== p.file) done.push(p.file)
    }
    // whichever of two comes first does the work, and the other one waits
    await Promise.all([1, 2].map(() => dataset.load({ ...folders, onProgress: note })))
    expect(done).toEqual(['fixture.tar.gz', 'fixture.tar.gz, unpacked'])
    await expectWhole(dataset)
    expect(requests).toBe(1)
  } finally {
    server.close()
  }
})

test('without network or files the error names the folder and the archive', async () => {
  const { set } = await cifarFixture(1)
  const dataset = defineCifarDataset(set)
  const error = await dataset.load(folders).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(DatasetUnavailableError)
  expect((error as Error).message).toContain(`Put fixture.tar.gz into ${ownFolder()}`)
  await expect(dataset.readImage('train', 0, folders)).rejects.toThrow(DatasetUnavailableError)
})

test('an abort ends the unpacking, and a later one goes on', async () => {
  const { set, files } = await cifarFixture(1)
  const dataset = defineCifarDataset(set)
  await keep('.', [['fixture.tar.gz', files.get('fixture.tar.gz')!]])
  const controller = new AbortController()
  const reason = new Error('stop')
  const onProgress = () => controller.abort(reason)
  await expect(dataset.load({ ...folders, signal: controller.signal, onProgress })).rejects.toBe(reason)
  expect(existsSync(join(ownFolder(), 'files.lock'))).toBe(false)
  await expectWhole(dataset)
})

async function expectCorrupt(dataset: DatasetDefinition, file: string, problem: string) {
  const error = await dataset.load(folders).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(DatasetCorruptError)
  expect(error).toMatchObject({ code: 'DATASET_CORRUPT', file: join(folders.datasetsDir, file) })
  expect((error as Error).message).toContain(problem)
}

describe('a damaged file is named with what is wrong', async () => {
  const { set, files, names } = await cifarFixture(1)
  const dataset = defineCifarDataset(set)
  const plain = files.get('batch_2.bin')!
  const changed = plain.with(4000, plain[4000]! ^ 1)
  const archived = files.get('batch_2.bin.gz')!

  test.each([
    ['truncated', 'batch_2.bin', plain.subarray(0, -1), 'is truncated: 9218 bytes where 9219 belong'],
    ['with more behind its end', 'batch_2.bin', Buffer.concat([plain, Buffer.alloc(1)]), 'is too long'],
    ['another one of the same size', 'batch_2.bin', new Uint8Array(plain.length), 'has the checksum'],
    ['with a single changed bit', 'batch_2.bin', changed, 'has the checksum'],
    ['gzipped and truncated', 'batch_2.bin.gz', archived.subarray(0, -10), 'truncated or not gzip'],
    ['gzipped with garbage behind it', 'batch_2.bin.gz', Buffer.concat([archived, Buffer.from('garbage')]), 'truncated or not gzip'],
    ['gzipped, of too many records', 'batch_2.bin.gz', gzipSync(Buffer.concat([plain, plain])), 'unpacks to more than the 9219 bytes'],
    ['gzipped, of too few records', 'batch_2.bin.gz', gzipSync(plain.subarray(3073)), 'is truncated: 6146 bytes'],
  ])('(%s)', async (_, name, bytes, problem) => {
    await keep('fixture', [
      ...names.filter((other) => other !== 'batch_2.bin').map((other) => [other, files.get(other)!] as const),
      [name, bytes],
    ])
    await expectCorrupt(dataset, join('fixture', name), problem)
  })

  test('(a label that is no class)', async () => {
    const few = defineCifarDataset({ ...set, facts: { ...set.facts, classes: set.facts.classes.slice(0, 9) } })
    await keep(
      'fixture',
      names.map((name) => [name, files.get(name)!] as const),
    )
    await expectCorrupt(few, join('fixture', 'batch_1.bin'), 'has the label 9 in record 3, where there are 9 classes')
  })
})

describe('a damaged archive is named with what is wrong', async () => {
  const { set, files, names, entries } = await cifarFixture(1)
  const dataset = defineCifarDataset(set)
  const member = (name: string) => `fixture-bin/${name}`
  const without = (name: string) => entries().filter(({ header }) => header.name !== member(name))
  const link = (type: 'symlink' | 'link'): TarEntry => ({
    header: { name: member('batch_2.bin'), size: 0, type, linkname: '/etc/passwd' },
  })
  const good = files.get('fixture.tar.gz')!
  const first = files.get('batch_1.bin')!

  test.each<[string, () => Uint8Array | Promise<Uint8Array>, string]>([
    ['truncated', () => good.subarray(0, good.length / 2), 'truncated or not gzip'],
    ['text', () => Buffer.from('<html>not found</html>'), 'truncated or not gzip'],
    ['empty', () => Buffer.alloc(0), 'truncated or not gzip'],
    ['gzip of something else', () => gzipSync(Buffer.from('<html>'.repeat(1000))), 'lacks fixture-bin/batch_1.bin'],
    ['tar that ends early', () => gzipSync(gunzipSync(good).subarray(0, 20_000)), 'ends within fixture-bin/batch_2.bin'],
    ['without one file', () => tarOf(without('test_batch.bin')), 'lacks fixture-bin/test_batch.bin'],
    ['one file twice', () => tarOf([...entries(), tarFile(member('batch_1.bin'), first)]), 'holds fixture-bin/batch_1.bin twice'],
    [
      'one file changed',
      () => tarOf([...without('batch_1.bin'), tarFile(member('batch_1.bin'), first.with(9, 1))]),
      'batch_1.bin with the checksum',
    ],
    [
      'one file longer',
      () => tarOf([...without('batch_1.bin'), tarFile(member('batch_1.bin'), Buffer.concat([first, first]))]),
      'holds a fixture-bin/batch_1.bin of 30730 bytes where 15365 belong',
    ],
    ['a symbolic link', () => tarOf([...without('batch_2.bin'), link('symlink')]), 'which is a symlink, not a file'],
    ['a hard link', () => tarOf([...without('batch_2.bin'), link('link')]), 'which is a link, not a file'],
    ['a path upwards', () => tarOf([tarFile('fixture-bin/../../evil.bin', first), ...entries()]), 'a path that leads out'],
    ['an absolute path', () => tarOf([tarFile('/tmp/evil.bin', first), ...entries()]), 'a path that leads out'],
    ['a Windows path', () => tarOf([tarFile('C:\\evil.bin', first), ...entries()]), 'a path that leads out'],
    ['a bomb', () => tarOf([tarFile('fixture-bin/zeros', new Uint8Array(2 ** 22)), ...entries()]), 'unpacks to more than'],
  ])('(%s)', async (_, make, problem) => {
    await keep('.', [['fixture.tar.gz', await make()]])
    await expectCorrupt(dataset, 'fixture.tar.gz', problem)
    expect((await readdir(ownFolder())).filter((name) => !names.includes(name))).toEqual([])
    expect(existsSync(join(folders.dataDir, '..', 'evil.bin'))).toBe(false)
  })
})
