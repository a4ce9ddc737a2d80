/**
 * @file The safetensors format (https://github.com/huggingface/safetensors): 8 bytes of header length, a JSON header, then the bytes of the tensors.
 * Nothing in it is executable, and other tools read it. The decoder trusts no byte.
 */

import type { HostTensor } from '@noprop/engine'
import { elementCount } from '../block/parameters.ts'
import { SafetensorsError } from '../errors.ts'
import { parseStrictJson } from './strict-json.ts'

export interface StoredTensor {
  readonly shape: readonly number[]
  readonly values: HostTensor
}

export interface TensorFile {
  readonly metadata: Readonly<Record<string, string>>
  readonly tensors: Readonly<Record<string, StoredTensor>>
}

const lengthBytes = 8
/** Every tensor starts at a multiple of this in the file, so a reader can map it in place. */
const alignment = 8
/** The limit of the reference implementation is 100 MB; ours is far above any header that we write. */
const maxHeaderBytes = 10_000_000
const maxRank = 8

const dtypes = { F32: Float32Array, I32: Int32Array, U8: Uint8Array } as const
type StoredDtype = keyof typeof dtypes

/** Tensors in order of their names, so equal content gives equal bytes. */
export function encodeSafetensors({ metadata, tensors }: TensorFile): Uint8Array {
  const header: Record<string, unknown> = Object.create(null)
  header['__metadata__'] = metadata
  // Offsets must leave no gaps. Four-byte tensors come first, so that each starts at a multiple of its element size.
  const names = Object.keys(tensors).sort((left, right) => bytesOf(tensors[right]!) - bytesOf(tensors[left]!) || (left < right ? -1 : 1))
  let end = 0
  for (const name of names) {
    const { shape, values } = tensors[name]!
    if (name === '__metadata__') throw new SafetensorsError('__metadata__ cannot be the name of a tensor')
    if (elementCount(shape) !== values.length)
      throw new SafetensorsError(`${name}: ${values.length} values do not have the shape [${shape.join(', ')}]`)
    header[name] = { dtype: dtypeOf(values), shape, data_offsets: [end, (end += values.byteLength)] }
  }
  const text = new TextEncoder().encode(JSON.stringify(header))
  const headerBytes = Math.ceil(text.length / alignment) * alignment
  const bytes = new Uint8Array(lengthBytes + headerBytes + end)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true)
  bytes.fill(0x20, lengthBytes, lengthBytes + headerBytes)
  bytes.set(text, lengthBytes)
  let position = lengthBytes + headerBytes
  for (const name of names) {
    const { values } = tensors[name]!
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), position)
    position += values.byteLength
  }
  return bytes
}

/**
 * @returns tensors in memory of their own
 * @throws {SafetensorsError} the bytes are not a safetensors file of F32, I32 and U8 tensors that fill it without gap or overlap
 */
export function decodeSafetensors(bytes: Uint8Array): TensorFile {
  const { header, dataStart } = readHeader(bytes)
  const tensors: Record<string, StoredTensor> = Object.create(null)
  const ranges: [number, number][] = []
  let metadata: Record<string, string> = {}
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      metadata = readMetadata(entry)
      continue
    }
    const { dtype, shape, begin, end } = readEntry(name, entry)
    if (dataStart + end > bytes.length) throw new SafetensorsError(`${name}: its bytes end beyond the file`)
    ranges.push([begin, end])
    const copy = bytes.slice(dataStart + begin, dataStart + end)
    tensors[name] = { shape, values: new dtypes[dtype](copy.buffer, copy.byteOffset, elementCount(shape)) }
  }
  requireFullCover(ranges, bytes.length - dataStart)
  return { metadata, tensors }
}

function readHeader(bytes: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.length < lengthBytes) throw new SafetensorsError(`${bytes.length} bytes are too few for a safetensors file`)
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true)
  if (length > BigInt(maxHeaderBytes)) throw new SafetensorsError(`a header of ${length} bytes is over the limit of ${maxHeaderBytes}`)
  const dataStart = lengthBytes + Number(length)
  if (dataStart > bytes.length) throw new SafetensorsError('the header ends beyond the file')
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(lengthBytes, dataStart))
    const header = parseStrictJson(text)
    if (!isRecord(header)) throw new SafetensorsError('the header is not a JSON object')
    return { header, dataStart }
  } catch (error) {
    if (error instanceof SafetensorsError) throw error
    throw new SafetensorsError('the header is not valid JSON in UTF-8', { cause: error })
  }
}

function readMetadata(entry: unknown): Record<string, string> {
  if (!isRecord(entry) || !Object.values(entry).every((value) => typeof value === 'string')) {
    throw new SafetensorsError('__metadata__ is not an object of strings')
  }
  return entry as Record<string, string>
}

function readEntry(name: string, entry: unknown): { dtype: StoredDtype; shape: number[]; begin: number; end: number } {
  if (!isRecord(entry)) throw new SafetensorsError(`${name}: not an object`)
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypes, dtype))
    throw new SafetensorsError(`${name}: dtype ${String(dtype)} is not F32, I32 or U8`)
  if (!isSizeList(shape) || shape.length > maxRank)
    throw new SafetensorsError(`${name}: its shape is not a list of at most ${maxRank} sizes`)
  if (!isSizeList(offsets) || offsets.length !== 2) throw new SafetensorsError(`${name}: data_offsets is not a pair of positions`)
  const [begin, end] = offsets as [number, number]
  // A product beyond 2⁵³ is not exact, but it cannot equal the length of a file either.
  const size = elementCount(shape) * dtypes[dtype as StoredDtype].BYTES_PER_ELEMENT
  if (end - begin !== size) throw new SafetensorsError(`${name}: ${end - begin} bytes for a shape that takes ${size}`)
  return { dtype: dtype as StoredDtype, shape, begin, end }
}

function requireFullCover(ranges: [number, number][], dataLength: number) {
  ranges.sort((left, right) => left[0] - right[0] || left[1] - right[1])
  let covered = 0
  for (const [begin, end] of ranges) {
    if (begin !== covered) throw new SafetensorsError(begin < covered ? 'two tensors overlap' : 'there is a gap between two tensors')
    covered = end
  }
  if (covered !== dataLength) throw new SafetensorsError(`${dataLength - covered} bytes belong to no tensor`)
}

function isSizeList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function bytesOf({ values }: StoredTensor): number {
  return values.BYTES_PER_ELEMENT
}

function dtypeOf(values: HostTensor): StoredDtype {
  if (values instanceof Float32Array) return 'F32'
  return values instanceof Int32Array ? 'I32' : 'U8'
}
