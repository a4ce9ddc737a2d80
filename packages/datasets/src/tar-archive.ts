import { createReadStream } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { TarHeader } from 'modern-tar'
import { unpackTar } from 'modern-tar/fs'
import { readUnpacked, sha256Of } from './dataset-file.ts'
import { DatasetCorruptError } from './errors.ts'

/** A file inside an archive. */
export interface ArchiveMember {
  /** in the archive */
  readonly path: string
  readonly sizeBytes: number
  readonly sha256: string
}

export interface UnpackOptions {
  /** told now and then, and at the end, how much is unpacked, members and all */
  readonly onProgress?: (unpackedBytes: number) => void
  readonly signal?: AbortSignal
}

const progressIntervalMs = 200

/** What an archive may hold beside the members, such as headers and a page about the set, bytes. */
const surplusAllowance = 2 ** 20

/**
 * Unpacks members of a gzipped tar archive into a folder, each under its own name without its path. A file appears under its name when its
 * checksum is right, not before; nothing else of the archive stays. No two processes may unpack into the same folder at once.
 *
 * @throws {DatasetCorruptError} the archive is truncated, no gzipped tar, or unpacks to more than it should; a member is missing, doubled or another
 *   one; an entry is a link or a device, or its path leads out of the archive
 */
export async function unpackMembers(archive: string, members: readonly ArchiveMember[], folder: string, options: UnpackOptions = {}) {
  const temporary = join(folder, 'unpacking')
  await rm(temporary, { recursive: true, force: true })
  try {
    await unpackInto(temporary, archive, members, options)
    for (const member of members) {
      const path = join(temporary, member.path)
      await checkMember(path, archive, member)
      await rename(path, join(folder, basename(member.path)))
    }
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

async function unpackInto(folder: string, archive: string, members: readonly ArchiveMember[], { onProgress, signal }: UnpackOptions) {
  const sizeLimit = members.reduce((sum, { sizeBytes }) => sum + sizeBytes, surplusAllowance)
  async function* watch(chunks: AsyncIterable<Uint8Array>) {
    let size = 0
    let reportedAt = 0
    for await (const chunk of chunks) {
      size += chunk.length
      if (size > sizeLimit) throw new DatasetCorruptError(archive, `unpacks to more than ${sizeLimit} bytes`)
      if (Date.now() - reportedAt >= progressIntervalMs) {
        reportedAt = Date.now()
        onProgress?.(size)
      }
      yield chunk
    }
    onProgress?.(size)
  }

  const sink = unpackTar(folder, { filter: selectMembers(archive, members), fmode: 0o644, dmode: 0o755 })
  try {
    await pipeline(createReadStream(archive), createGunzip(), watch, sink, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    const { code, message } = error as NodeJS.ErrnoException
    if (code?.startsWith('Z_')) throw new DatasetCorruptError(archive, `is truncated or not gzip (${message})`, { cause: error })
    throw error
  }
}

/** Says of each entry whether it is a member, and throws at those that no honest archive holds. */
function selectMembers(archive: string, members: readonly ArchiveMember[]) {
  const missing = new Map(members.map((member) => [member.path, member]))
  return ({ name, type, size }: TarHeader): boolean => {
    if (type !== 'file' && type !== 'directory') throw new DatasetCorruptError(archive, `holds ${name}, which is a ${type}, not a file`)
    if (/^([/\\]|[a-z]:)/i.test(name) || name.split(/[/\\]/).includes('..'))
      throw new DatasetCorruptError(archive, `holds ${name}, a path that leads out of the archive`)
    if (!members.some(({ path }) => path === name)) return false
    const member = missing.get(name)
    if (!member) throw new DatasetCorruptError(archive, `holds ${name} twice`)
    if (size !== member.sizeBytes)
      throw new DatasetCorruptError(archive, `holds a ${name} of ${size} bytes where ${member.sizeBytes} belong`)
    return missing.delete(name)
  }
}

async function checkMember(path: string, archive: string, { path: name, sizeBytes, sha256 }: ArchiveMember) {
  const bytes = await readUnpacked(path, sizeBytes).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? new DatasetCorruptError(archive, `lacks ${name}`) : error
  })
  if (bytes.length < sizeBytes) throw new DatasetCorruptError(archive, `ends within ${name}`)
  const found = sha256Of(bytes)
  if (found !== sha256)
    throw new DatasetCorruptError(archive, `holds a ${name} with the checksum ${found.slice(0, 16)}…, not ${sha256.slice(0, 16)}…`)
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
