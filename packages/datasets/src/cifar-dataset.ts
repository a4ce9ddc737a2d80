import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cifarImageSize, cifarRecordSize, interleaved, type LabelBytes, parseCifarRecords } from './cifar-records.ts'
import type { DatasetDefinition, DatasetFolders, DatasetSource, DatasetSplit, LoadOptions, SplitName } from './dataset.ts'
import { checkSha256, findFile, readSlice, readUnpacked } from './dataset-file.ts'
import { type DistributedSet, fetchFile, keptFolders, ownFolder, unavailable } from './distributed-set.ts'
import type { RemoteFile } from './download.ts'
import { DatasetCorruptError } from './errors.ts'
import { withFileLock } from './file-lock.ts'
import { type ArchiveMember, unpackMembers } from './tar-archive.ts'

/** One file of records. */
export interface CifarFile {
  readonly name: string
  readonly records: number
  readonly sha256: string
}

export interface CifarDataset extends DistributedSet {
  readonly labelBytes: LabelBytes
  readonly files: Record<SplitName, readonly CifarFile[]>
  /** what the files are distributed in, in a folder of their own */
  readonly archive: RemoteFile & { readonly folder: string }
}

/** A set in the binary version of CIFAR: files of records in a gzipped tar archive, which is unpacked into the data folder. */
export function defineCifarDataset(set: CifarDataset): DatasetDefinition {
  const { facts, labelBytes, archive } = set
  const format = { labelBytes, numClasses: facts.classes.length }
  const recordSize = cifarRecordSize(labelBytes)
  const all = [...set.files.train, ...set.files.test]
  const members = all.map((file): ArchiveMember => {
    return { path: `${archive.folder}/${file.name}`, sizeBytes: sizeOf(file), sha256: file.sha256 }
  })

  const unpackedSize = members.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)

  function sizeOf({ records }: CifarFile): number {
    return records * recordSize
  }

  const hasAll = (folders: readonly string[]) => all.every((file) => findFile(file.name, folders))
  const archiveIn = (folders: readonly string[]) => folders.map((folder) => join(folder, archive.name)).find((path) => existsSync(path))
  const keptArchive = (folders: DatasetFolders) =>
    archiveIn([...(folders.datasetsDir ? [folders.datasetsDir] : []), ...keptFolders(set, folders)])

  function locate(folders: DatasetFolders): DatasetSource {
    if (hasAll(keptFolders(set, folders)) || keptArchive(folders)) return 'local'
    const own = [ownFolder(set, folders)]
    return hasAll(own) || archiveIn(own) ? 'downloaded' : 'download'
  }

  /** The folders that hold all files, after unpacking the archive where there was only that; none where it may not be fetched and is not here. */
  async function filesIn(options: LoadOptions & { readonly mayFetch: boolean }): Promise<readonly string[]> {
    const kept = keptFolders(set, options)
    if (hasAll(kept)) return kept
    const own = ownFolder(set, options)
    const archiveHere = () => keptArchive(options) ?? archiveIn([own])
    if (hasAll([own])) return [own]
    if (!options.mayFetch && !archiveHere()) return []
    await mkdir(own, { recursive: true })
    const makeFiles = async () => {
      if (hasAll([own])) return // another process has made them in the meantime
      await unpack(archiveHere() ?? (await fetchFile(set, archive, [archive.name], options)), own, options)
    }
    await withFileLock(join(own, 'files.lock'), makeFiles, options.signal)
    return [own]
  }

  async function unpack(path: string, folder: string, { onProgress, signal }: LoadOptions) {
    const report = (unpackedBytes: number) =>
      onProgress?.({ file: `${archive.name}, unpacked`, receivedBytes: Math.min(unpackedBytes, unpackedSize), totalBytes: unpackedSize })
    await unpackMembers(path, members, folder, { onProgress: report, signal })
    await rm(join(folder, archive.name), { force: true })
  }

  function pathOf(file: CifarFile, folders: readonly string[], options: DatasetFolders): string {
    const path = findFile(file.name, folders)
    if (!path) throw unavailable(set, [archive.name], options)
    return path
  }

  async function readFileInto(file: CifarFile, path: string, out: DatasetSplit, start: number) {
    const bytes = await readUnpacked(path, sizeOf(file))
    if (bytes.length < sizeOf(file)) throw new DatasetCorruptError(path, `is truncated: ${bytes.length} bytes where ${sizeOf(file)} belong`)
    checkSha256(bytes, file.sha256, path)
    parseCifarRecords(bytes, format, path, out, start)
  }

  async function readSplit(split: SplitName, folders: readonly string[], options: LoadOptions): Promise<DatasetSplit> {
    const count = set.files[split].reduce((sum, { records }) => sum + records, 0)
    const out = { images: new Uint8Array(count * cifarImageSize), labels: new Uint8Array(count) }
    let start = 0
    for (const file of set.files[split]) {
      options.signal?.throwIfAborted()
      await readFileInto(file, pathOf(file, folders, options), out, start)
      start += file.records
    }
    return out
  }

  return {
    facts,
    locate,
    async load(options) {
      const folders = await filesIn({ ...options, mayFetch: true })
      return { train: await readSplit('train', folders, options), test: await readSplit('test', folders, options) }
    },
    async readImage(split, index, options) {
      const folders = await filesIn({ ...options, mayFetch: false })
      let start = 0
      const file = set.files[split].find(({ records }) => index < (start += records))!
      const record = index - (start - file.records)
      const path = pathOf(file, folders, options)
      return interleaved(await readSlice(path, record * recordSize + labelBytes, cifarImageSize, sizeOf(file)))
    },
  }
}
