import { type Augmentation, type Crop, cropPadding, drawCrop } from './augmentation.ts'
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
 * @param indices      of the images within the split
 * @param augmentation how the images, which must be square, are changed on the way; what lies beyond the edge of one is black. Without it they stay
 *   as they are
 * @throws {RangeError} an index outside the split, or a buffer that is too small
 */
export function gatherBatch<T extends BatchBuffers>(
  split: DatasetSplit,
  indices: Uint32Array,
  normalization: Normalization,
  out: T,
  augmentation?: Augmentation,
): T {
  const count = split.labels.length
  const imageSize = split.images.length / count
  if (out.images.length < indices.length * imageSize || out.labels.length < indices.length)
    throw new RangeError(`the buffers hold fewer than ${indices.length} images`)

  const tables = tablesOf(normalization)
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!
    if (index >= count) throw new RangeError(`image ${index} of a split of ${count}`)
    const image = split.images.subarray(index * imageSize, (index + 1) * imageSize)
    const place = out.images.subarray(i * imageSize, (i + 1) * imageSize)
    if (augmentation) copyCrop(image, place, tables, drawCrop(augmentation, index))
    else copyImage(image, place, tables)
    out.labels[i] = split.labels[index]!
  }
  return out
}

/** Normalises the pixels of one image, or of several in a row, as `gatherBatch` does. */
export function normalizePixels(pixels: Uint8Array, normalization: Normalization): Float32Array {
  const out = new Float32Array(pixels.length)
  copyImage(pixels, out, tablesOf(normalization))
  return out
}

function copyImage(from: Uint8Array, to: Float32Array, tables: readonly Float32Array[]): void {
  const channels = tables.length
  for (let c = 0; c < channels; c++) {
    const table = tables[c]!
    for (let k = c; k < from.length; k += channels) to[k] = table[from[k]!]!
  }
}

function copyCrop(from: Uint8Array, to: Float32Array, tables: readonly Float32Array[], { top, left, mirrored }: Crop): void {
  const channels = tables.length
  const side = Math.sqrt(from.length / channels)
  const [down, right] = [cropPadding - top, cropPadding - left]
  // of the target, before it is mirrored: what the image covers
  const [firstRow, endRow] = [Math.max(0, down), Math.min(side, side + down)]
  const [firstColumn, endColumn] = [Math.max(0, right), Math.min(side, side + right)]
  for (let c = 0; c < channels; c++) {
    const table = tables[c]!
    for (let k = c; k < to.length; k += channels) to[k] = table[0]!
    const step = mirrored ? -channels : channels
    for (let row = firstRow; row < endRow; row++) {
      let source = ((row - down) * side + firstColumn - right) * channels + c
      let target = (row * side + (mirrored ? side - 1 - firstColumn : firstColumn)) * channels + c
      for (let column = firstColumn; column < endColumn; column++, source += channels, target += step) to[target] = table[from[source]!]!
    }
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
