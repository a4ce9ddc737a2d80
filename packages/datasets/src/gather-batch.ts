import type { DatasetSplit, Normalization } from './dataset.ts'

export interface BatchBuffers {
  /** at least indices.length × pixels of an image */
  readonly images: Float32Array
  /** at least indices.length */
  readonly labels: Uint8Array
}

/**
 * Copies images and labels into `out`, pixels normalised to (value / 255 − mean) / std of their channel.
 *
 * @param indices of the images within the split
 * @throws {RangeError} an index outside the split, or a buffer that is too small
 */
export function gatherBatch<T extends BatchBuffers>(split: DatasetSplit, indices: Uint32Array, normalization: Normalization, out: T): T {
  const count = split.labels.length
  const imageSize = split.images.length / count
  if (out.images.length < indices.length * imageSize || out.labels.length < indices.length)
    throw new RangeError(`the buffers hold fewer than ${indices.length} images`)

  const tables = tablesOf(normalization)
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!
    if (index >= count) throw new RangeError(`image ${index} of a split of ${count}`)
    copyImage(split.images, index * imageSize, out.images, i * imageSize, imageSize, tables)
    out.labels[i] = split.labels[index]!
  }
  return out
}

/** Normalises the pixels of one image, or of several in a row, as `gatherBatch` does. */
export function normalizePixels(pixels: Uint8Array, normalization: Normalization): Float32Array {
  const out = new Float32Array(pixels.length)
  copyImage(pixels, 0, out, 0, pixels.length, tablesOf(normalization))
  return out
}

function copyImage(from: Uint8Array, start: number, to: Float32Array, at: number, size: number, tables: readonly Float32Array[]) {
  const channels = tables.length
  for (let c = 0; c < channels; c++) {
    const table = tables[c]!
    for (let k = c; k < size; k += channels) to[at + k] = table[from[start + k]!]!
  }
}

const tablesByNormalization = new WeakMap<Normalization, readonly Float32Array[]>()

/** For each channel, the normalised value of each of the 256 pixel values. */
function tablesOf(normalization: Normalization): readonly Float32Array[] {
  let tables = tablesByNormalization.get(normalization)
  if (!tables) {
    tables = normalization.mean.map((mean, c) =>
      Float32Array.from({ length: 256 }, (_, value) => (value / 255 - mean) / normalization.std[c]!),
    )
    tablesByNormalization.set(normalization, tables)
  }
  return tables
}
