import { DatasetCorruptError } from './errors.ts'

const side = 32
const planeSize = side * side
export const cifarImageSize = 3 * planeSize

/** What a record of the binary version begins with: one label, or (CIFAR-100) a coarse and a fine one, of which the last is the class. */
export type LabelBytes = 1 | 2

export function cifarRecordSize(labelBytes: LabelBytes): number {
  return labelBytes + cifarImageSize
}

/** Images and labels of several files, filled one file after the other. */
export interface CifarRecords {
  /** flat [n, 32, 32, 3] */
  readonly images: Uint8Array
  /** [n] */
  readonly labels: Uint8Array
}

export interface CifarFormat {
  readonly labelBytes: LabelBytes
  readonly numClasses: number
}

/**
 * Reads the records of one file into place `start` and the following ones of `out`.
 *
 * @param bytes whole records, as many as the file must hold
 * @throws {DatasetCorruptError} a label is no class
 */
export function parseCifarRecords(
  bytes: Uint8Array,
  { labelBytes, numClasses }: CifarFormat,
  file: string,
  out: CifarRecords,
  start: number,
) {
  const recordSize = cifarRecordSize(labelBytes)
  const count = bytes.length / recordSize
  for (let i = 0; i < count; i++) {
    const pixels = i * recordSize + labelBytes
    const label = bytes[pixels - 1]!
    if (label >= numClasses)
      throw new DatasetCorruptError(file, `has the label ${label} in record ${i}, where there are ${numClasses} classes`)
    out.labels[start + i] = label
    interleave(bytes, pixels, out.images, (start + i) * cifarImageSize)
  }
}

/** The pixels of one record, which has them in three planes, as [32, 32, 3]. */
export function interleaved(planes: Uint8Array): Uint8Array {
  const image = new Uint8Array(cifarImageSize)
  interleave(planes, 0, image, 0)
  return image
}

function interleave(from: Uint8Array, start: number, to: Uint8Array, at: number): void {
  for (let pixel = 0; pixel < planeSize; pixel++) {
    to[at + 3 * pixel] = from[start + pixel]!
    to[at + 3 * pixel + 1] = from[start + planeSize + pixel]!
    to[at + 3 * pixel + 2] = from[start + 2 * planeSize + pixel]!
  }
}
