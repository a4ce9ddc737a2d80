import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { DatasetCorruptError } from './errors.ts'

const gunzipAsync = promisify(gunzip)

/** An archive of random bytes is a little longer than they are. */
const archiveAllowance = 65_536

/** The path of a file in the first of the folders that has it, plain or with `.gz`. */
export function findFile(name: string, folders: readonly string[]): string | null {
  for (const folder of folders) {
    for (const path of [join(folder, name), join(folder, `${name}.gz`)]) if (existsSync(path)) return path
  }
  return null
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** @throws {DatasetCorruptError} the bytes have another SHA-256 */
export function checkSha256(bytes: Uint8Array, sha256: string, path: string): void {
  const found = sha256Of(bytes)
  if (found !== sha256) throw new DatasetCorruptError(path, `has the checksum ${found.slice(0, 16)}…, not ${sha256.slice(0, 16)}…`)
}

/**
 * Reads `length` bytes at `offset` of a file of `fileSize` bytes, plain or gzipped. An archive is unpacked for that, and kept for a while.
 *
 * @throws {DatasetCorruptError} the file is truncated, or no archive
 */
export async function readSlice(path: string, offset: number, length: number, fileSize: number): Promise<Uint8Array> {
  const bytes = path.endsWith('.gz')
    ? Uint8Array.from((await unpackedArchive(path, fileSize)).subarray(offset, offset + length))
    : await readPlainSlice(path, offset, length)
  if (bytes.length < length) throw new DatasetCorruptError(path, 'is truncated')
  return bytes
}

async function readPlainSlice(path: string, offset: number, length: number): Promise<Uint8Array> {
  const handle = await open(path, 'r')
  try {
    const bytes = new Uint8Array(length)
    const { bytesRead } = await handle.read(bytes, 0, length, offset)
    return bytes.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

const keepUnpackedMs = 60_000
const unpacked = new Map<string, { bytes: Promise<Uint8Array>; timer: NodeJS.Timeout }>()

/** Unpacks an archive, in zlib's own thread, and keeps the result until nobody has asked for it for a minute. */
function unpackedArchive(path: string, size: number): Promise<Uint8Array> {
  let entry = unpacked.get(path)
  if (entry) entry.timer.refresh()
  else {
    const drop = () => unpacked.delete(path)
    entry = { bytes: readUnpacked(path, size), timer: setTimeout(drop, keepUnpackedMs).unref() }
    entry.bytes.catch(drop)
    unpacked.set(path, entry)
  }
  return entry.bytes
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
