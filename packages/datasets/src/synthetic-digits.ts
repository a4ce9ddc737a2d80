import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import {
  type DatasetDefinition,
  type DatasetFolders,
  type DatasetSplit,
  digitClasses,
  type LoadOptions,
  type SplitName,
} from './dataset.ts'
import { drawDigit, imageSide } from './digit-renderer.ts'
import { DatasetCorruptError } from './errors.ts'
import { withFileLock } from './file-lock.ts'
import { encodeIdx, type IdxFile, readIdxFile } from './idx.ts'
import { createRandom, shuffle } from './random.ts'

/** Changing how the digits look makes another set: raise this, so that a cached one is made anew. */
const generatorVersion = 2
const setSeed = 20_250_328
const imageSize = imageSide * imageSide
const streams = { train: 1, test: 2 } as const

/** Handwriting-like digits that this package draws itself, so that the product can be tried without a network. */
export const syntheticDigits = defineSyntheticDigits({ train: 60_000, test: 10_000 })

export function defineSyntheticDigits(counts: Record<SplitName, number>): DatasetDefinition {
  return {
    facts: {
      name: 'synthetic-digits',
      title: 'Synthetic digits',
      description: 'Digits drawn by the product itself in the shape of MNIST, for a machine without a network. Easier than MNIST.',
      classes: digitClasses,
      imageShape: [imageSide, imageSide, 1],
      trainExamples: counts.train,
      testExamples: counts.test,
      normalization: { mean: [0.11834], std: [0.28138] },
    },
    locate: () => 'generated',
    load: (options) => loadOrGenerate(counts, options),
    async readImage(split, index) {
      const image = new Uint8Array(imageSize)
      drawImage(split, index, labelsOf(split, counts[split])[index]!, image, 0)
      return image
    },
  }
}

/** Every class equally often, in random order. */
function labelsOf(split: SplitName, count: number): Uint8Array {
  const labels = Uint8Array.from({ length: count }, (_, i) => i % digitClasses.length)
  return shuffle(labels, createRandom(setSeed, streams[split]))
}

function drawImage(split: SplitName, index: number, label: number, out: Uint8Array, offset: number): void {
  drawDigit(label, createRandom(setSeed, streams[split], index), out, offset)
}

async function loadOrGenerate(counts: Record<SplitName, number>, options: LoadOptions): Promise<Record<SplitName, DatasetSplit>> {
  const folder = cacheFolder(options)
  const cached = await readCache(folder, counts)
  if (cached) return cached
  await mkdir(dirname(folder), { recursive: true })
  return withFileLock(
    `${folder}.lock`,
    async () => {
      const madeMeanwhile = await readCache(folder, counts)
      if (madeMeanwhile) return madeMeanwhile
      const splits = { train: await drawSplit('train', counts.train, options), test: await drawSplit('test', counts.test, options) }
      await writeCache(folder, splits)
      return splits
    },
    options.signal,
  )
}

function cacheFolder({ dataDir }: DatasetFolders): string {
  return join(dataDir, 'datasets', 'synthetic-digits')
}

const drawnAtOnce = 500

/** Draws a split in pieces, between which the event loop turns, progress is told and an abort is heard. */
async function drawSplit(split: SplitName, count: number, { onProgress, signal }: LoadOptions): Promise<DatasetSplit> {
  const labels = labelsOf(split, count)
  const images = new Uint8Array(count * imageSize)
  const file = fileName(split, 'images')
  for (let start = 0; start < count; start += drawnAtOnce) {
    signal?.throwIfAborted()
    const end = Math.min(count, start + drawnAtOnce)
    for (let i = start; i < end; i++) drawImage(split, i, labels[i]!, images, i * imageSize)
    onProgress?.({ file, receivedBytes: end * imageSize, totalBytes: images.length })
    await yieldToEventLoop()
  }
  return { images, labels }
}

type Part = 'images' | 'labels'

function fileName(split: SplitName, part: Part): string {
  return `${split}-${part}.idx`
}

function shapeOf(part: Part, count: number): readonly number[] {
  return part === 'images' ? [count, imageSide, imageSide] : [count]
}

interface Manifest {
  readonly generatorVersion: number
  readonly sha256: Readonly<Record<string, string>>
}

const manifestName = 'manifest.json'

/** The set as it was made before, or null where there is none, another version, or one that is damaged: making it anew mends all of these. */
async function readCache(folder: string, counts: Record<SplitName, number>): Promise<Record<SplitName, DatasetSplit> | null> {
  try {
    const manifest = JSON.parse(await readFile(join(folder, manifestName), 'utf8')) as Manifest
    if (manifest.generatorVersion !== generatorVersion) return null
    const read = (split: SplitName, part: Part) => {
      const name = fileName(split, part)
      const file: IdxFile = { name, shape: shapeOf(part, counts[split]), sha256: manifest.sha256[name] ?? '' }
      return readIdxFile(file, join(folder, name))
    }
    return {
      train: { images: await read('train', 'images'), labels: await read('train', 'labels') },
      test: { images: await read('test', 'images'), labels: await read('test', 'labels') },
    }
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (missing || error instanceof DatasetCorruptError || error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}

/** Writes all files into a new folder and gives it the right name in one step. */
async function writeCache(folder: string, splits: Record<SplitName, DatasetSplit>): Promise<void> {
  const temporary = `${folder}.${randomUUID()}`
  const sha256: Record<string, string> = {}
  try {
    await mkdir(temporary)
    for (const split of ['train', 'test'] as const) {
      for (const part of ['images', 'labels'] as const) {
        const values = splits[split][part]
        const bytes = encodeIdx(values, shapeOf(part, splits[split].labels.length))
        sha256[fileName(split, part)] = createHash('sha256').update(bytes).digest('hex')
        await writeDurably(join(temporary, fileName(split, part)), bytes)
      }
    }
    await writeDurably(join(temporary, manifestName), JSON.stringify({ generatorVersion, sha256 } satisfies Manifest, null, 2))
    await rm(folder, { recursive: true, force: true })
    await rename(temporary, folder)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    throw error
  }
}

async function writeDurably(path: string, content: Uint8Array | string): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}
