import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { digitClasses } from '../src/dataset.ts'
import type { DistributedIdxFile, IdxDataset } from '../src/idx-dataset.ts'
import { encodeIdx } from '../src/idx.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A set of 20 + 10 images of 4×4 noise in MNIST's format, with the bytes of its files by name, plain and as archives. */
export function idxFixture(overrides: Partial<IdxDataset> = {}) {
  const files = new Map<string, Uint8Array>()

  function file(name: string, shape: readonly number[], value: (i: number) => number): DistributedIdxFile {
    const values = Uint8Array.from({ length: shape.reduce((product, n) => product * n, 1) }, (_, i) => value(i))
    const plain = encodeIdx(values, shape)
    const archive = gzipSync(plain, { level: 0 })
    files.set(name, plain)
    files.set(`${name}.gz`, archive)
    return { name, shape, sha256: sha256(plain), archive: { sizeBytes: archive.length, sha256: sha256(archive) } }
  }

  const pixel = (i: number) => Math.imul(i + 1, 0x9e3779b1) >>> 24
  const set: IdxDataset = {
    facts: {
      name: 'fixture',
      title: 'Fixture',
      description: 'noise',
      classes: digitClasses,
      imageShape: [4, 4, 1],
      trainExamples: 20,
      testExamples: 10,
      normalization: { mean: [0.5], std: [0.3] },
    },
    files: {
      train: { images: file('train-images', [20, 4, 4], pixel), labels: file('train-labels', [20], (i) => i % 10) },
      test: { images: file('test-images', [10, 4, 4], (i) => pixel(i + 999)), labels: file('test-labels', [10], (i) => (i * 3) % 10) },
    },
    mirrors: ['http://127.0.0.1:1/'],
    localFolders: ['fixture', '.'],
    download: { retryDelayMs: 1 },
    ...overrides,
  }
  return { set, files, pixel }
}
