import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { DatasetCorruptError } from './errors.ts'
import { idxHeaderSize, parseIdx } from './idx.ts'

const gunzipAsync = promisify(gunzip)

/** An archive of random bytes is a little longer than they are. */
const archiveAllowance = 65_536

/** One idx file of a set, as it is once it is unpacked. */
export interface IdxFile {
  readonly name: string
  readonly shape: readonly number[]
  readonly sha256: string
}

export function idxFileSize(file: IdxFile): number {
  return idxHeaderSize(file.shape.length) + file.shape.reduce((product, n) => product * n, 1)
}

/** The path of a file in the first of the folders that has it, plain or with `.gz`. */
export function findFile(name: string, folders: readonly string[]): string | null {
  for (const folder of folders) {
    for (const path of [join(folder, name), join(folder, `${name}.gz`)]) if (existsSync(path)) return path
  }
  return null
}

/**
 * Reads an idx file, plain or gzipped, and checks everything about it.
 *
 * @throws {DatasetCorruptError} wrong size, not gzip, truncated, unpacking to more than it should, other dimensions, another checksum
 */
export async function readIdxFile(file: IdxFile, path: string): Promise<Uint8Array> {
  const bytes = await readUnpacked(path, idxFileSize(file))
  const values = parseIdx(bytes, file.shape, path)
  const found = createHash('sha256').update(bytes).digest('hex')
  if (found !== file.sha256)
    throw new DatasetCorruptError(path, `has the checksum ${found.slice(0, 16)}…, not ${file.sha256.slice(0, 16)}…`)
  return values
}

/** Reads `length` values at `offset` of a plain idx file. */
export async function readIdxSlice(file: IdxFile, path: string, offset: number, length: number): Promise<Uint8Array> {
  const handle = await open(path, 'r')
  try {
    const bytes = new Uint8Array(length)
    const { bytesRead } = await handle.read(bytes, 0, length, idxHeaderSize(file.shape.length) + offset)
    if (bytesRead < length) throw new DatasetCorruptError(path, 'is truncated')
    return bytes
  } finally {
    await handle.close()
  }
}

/** The content of a file, unpacked where its name ends in `.gz`; never more than `expectedSize` bytes in memory, give or take an archive's own. */
export async function readUnpacked(path: string, expectedSize: number): Promise<Uint8Array> {
  const isArchive = path.endsWith('.gz')
  const { size } = await stat(path)
  if (size > expectedSize + (isArchive ? archiveAllowance : 0))
    throw new DatasetCorruptError(path, `is too long: ${size} bytes where ${isArchive ? 'at most ' : ''}${expectedSize} belong`)
  const bytes = await readFile(path)
  if (!isArchive) return bytes
  try {
    return await gunzipAsync(bytes, { maxOutputLength: expectedSize })
  } catch (error) {
    const tooLong = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    const problem = tooLong
      ? `unpacks to more than the ${expectedSize} bytes that belong`
      : `is truncated or not gzip (${(error as Error).message})`
    throw new DatasetCorruptError(path, problem, { cause: error })
  }
}
