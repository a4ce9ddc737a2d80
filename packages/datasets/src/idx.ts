import { checkSha256, readUnpacked } from './dataset-file.ts'
import { DatasetCorruptError } from './errors.ts'

const unsignedBytes = 0x08

/** One idx file of a set, as it is once it is unpacked. */
export interface IdxFile {
  readonly name: string
  readonly shape: readonly number[]
  /** null: not known */
  readonly sha256: string | null
}

export function idxFileSize({ shape }: IdxFile): number {
  return idxHeaderSize(shape.length) + shape.reduce((product, n) => product * n, 1)
}

/** Bytes of the header of an idx file: a magic number and one 32-bit size per dimension. */
export function idxHeaderSize(dimensions: number): number {
  return 4 + 4 * dimensions
}

/**
 * Reads an idx file, plain or gzipped, and checks everything about it.
 *
 * @throws {DatasetCorruptError} wrong size, not gzip, truncated, unpacking to more than it should, other dimensions, another checksum
 */
export async function readIdxFile(file: IdxFile, path: string): Promise<Uint8Array> {
  const bytes = await readUnpacked(path, idxFileSize(file))
  const values = parseIdx(bytes, file.shape, path)
  if (file.sha256 !== null) checkSha256(bytes, file.sha256, path)
  return values
}

/**
 * The values of an idx file of unsigned bytes, without a copy.
 *
 * @param shape what the file must hold, such as [60000, 28, 28]
 * @throws {DatasetCorruptError} another magic number, other sizes, or another length than they ask for
 */
export function parseIdx(bytes: Uint8Array, shape: readonly number[], file: string): Uint8Array {
  const headerSize = idxHeaderSize(shape.length)
  if (bytes.length < headerSize) throw new DatasetCorruptError(file, `is truncated: ${bytes.length} bytes, less than its header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

  const magic = view.getUint32(0)
  const expectedMagic = (unsignedBytes << 8) | shape.length
  if (magic !== expectedMagic)
    throw new DatasetCorruptError(file, `is not the idx file it should be: it begins with ${hex(magic)}, not ${hex(expectedMagic)}`)

  const found = shape.map((_, i) => view.getUint32(4 + 4 * i))
  if (found.some((size, i) => size !== shape[i]))
    throw new DatasetCorruptError(file, `holds ${found.join('×')} values where ${shape.join('×')} belong`)

  const size = shape.reduce((product, n) => product * n, 1)
  if (bytes.length !== headerSize + size)
    throw new DatasetCorruptError(
      file,
      `${bytes.length < headerSize + size ? 'is truncated' : 'is too long'}: ${bytes.length} bytes where ${headerSize + size} belong`,
    )
  // never a Buffer, whose slice() would share memory where that of a Uint8Array copies
  return new Uint8Array(bytes.buffer, bytes.byteOffset + headerSize, size)
}

export function encodeIdx(values: Uint8Array, shape: readonly number[]): Uint8Array {
  const headerSize = idxHeaderSize(shape.length)
  const bytes = new Uint8Array(headerSize + values.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, (unsignedBytes << 8) | shape.length)
  shape.forEach((size, i) => view.setUint32(4 + 4 * i, size))
  bytes.set(values, headerSize)
  return bytes
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}
