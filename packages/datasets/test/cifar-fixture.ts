import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { packTar, type TarEntry } from 'modern-tar'
import type { CifarDataset, CifarFile } from '../src/cifar-dataset.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const archiveFolder = 'fixture-bin'

/** The value of a pixel: a different one for neighbours in each direction, for the channels and for the images. */
function pixelOf(image: number, row: number, column: number, channel: number): number {
  return (41 * image + 7 * row + 3 * column + 101 * channel) % 256
}

/** Image number `image` as a loader must give it, [32, 32, 3]. */
export function imageOf(image: number): Uint8Array {
  return Uint8Array.from({ length: 3072 }, (_, i) => pixelOf(image, Math.floor(i / 96), Math.floor(i / 3) % 32, i % 3))
}

/** A set in the binary version of CIFAR, of 5 + 3 images to train on and 4 to test with in ten classes: the files by name, plain, gzipped and as the archive. */
export async function cifarFixture(labelBytes: 1 | 2, overrides: Partial<CifarDataset> = {}) {
  const files = new Map<string, Uint8Array>()
  let images = 0

  function file(name: string, records: number): CifarFile {
    const bytes = new Uint8Array(records * (labelBytes + 3072))
    for (let record = 0; record < records; record++, images++) {
      let at = record * (labelBytes + 3072)
      if (labelBytes === 2) bytes[at++] = 255 // a coarse label, which nobody reads
      bytes[at++] = (images * 3) % 10
      for (let channel = 0; channel < 3; channel++)
        for (let row = 0; row < 32; row++) for (let column = 0; column < 32; column++) bytes[at++] = pixelOf(images, row, column, channel)
    }
    files.set(name, bytes)
    files.set(`${name}.gz`, gzipSync(bytes))
    return { name, records, sha256: sha256(bytes) }
  }

  const parts = { train: [file('batch_1.bin', 5), file('batch_2.bin', 3)], test: [file('test_batch.bin', 4)] }
  const names = [...parts.train, ...parts.test].map(({ name }) => name)
  const archive = await tarOf(goodEntries(files, names))
  files.set('fixture.tar.gz', archive)

  const set: CifarDataset = {
    facts: {
      name: 'fixture',
      title: 'Fixture',
      description: 'stripes',
      classes: Array.from({ length: 10 }, (_, i) => `class ${i}`),
      imageShape: [32, 32, 3],
      trainExamples: 8,
      testExamples: 4,
      normalization: { mean: [0.5, 0.5, 0.5], std: [0.3, 0.3, 0.3] },
    },
    labelBytes,
    files: parts,
    archive: { name: 'fixture.tar.gz', folder: archiveFolder, sizeBytes: archive.length, sha256: sha256(archive) },
    mirrors: ['http://127.0.0.1:1/'],
    localFolders: ['fixture/fixture-bin', 'fixture', '.'],
    download: { retryDelayMs: 1 },
    ...overrides,
  }
  return { set, files, names, entries: () => goodEntries(files, names) }
}

/** What the official archives hold: a folder, the files, and a page that nobody asked for. */
function goodEntries(files: ReadonlyMap<string, Uint8Array>, names: readonly string[]): TarEntry[] {
  return [
    { header: { name: `${archiveFolder}/`, size: 0, type: 'directory' } },
    tarFile(`${archiveFolder}/readme.html`, new TextEncoder().encode('<html>')),
    ...names.map((name) => tarFile(`${archiveFolder}/${name}`, files.get(name)!)),
  ]
}

export function tarFile(name: string, body: Uint8Array): TarEntry {
  return { header: { name, size: body.length, type: 'file' }, body }
}

export async function tarOf(entries: readonly TarEntry[]): Promise<Uint8Array> {
  return gzipSync(await packTar(entries))
}
