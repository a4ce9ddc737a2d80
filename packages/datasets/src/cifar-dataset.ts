import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cifarImageSize, cifarRecordSize, interleaved, type LabelBytes, parseCifarRecords } from './cifar-records.ts'
import type { DatasetDefinition, DatasetFacts, DatasetFolders, DatasetSource, DatasetSplit, LoadOptions, SplitName } from './dataset.ts'
import { checkSha256, findFile, readSlice, readUnpacked } from './dataset-file.ts'
import { downloadFile, type DownloadOptions, type RemoteFile } from './download.ts'
import { DatasetCorruptError, DatasetUnavailableError } from './errors.ts'
import { withFileLock } from './file-lock.ts'
import { type ArchiveMember, unpackMembers } from './tar-archive.ts'

/** One file of records. */
export interface CifarFile {
  readonly name: string
  readonly records: number
  readonly sha256: string
}

export interface CifarDataset {
  readonly facts: DatasetFacts
  readonly labelBytes: LabelBytes
  readonly files: Record<SplitName, readonly CifarFile[]>
  /** what the files are distributed in, in a folder of their own */
  readonly archive: RemoteFile & { readonly folder: string }
  /** addresses of folders that hold the archive */
  readonly mirrors: readonly string[]
  /** where the files, or the archive, may lie below NOPROP_DATASETS_DIR */
  readonly localFolders: readonly string[]
  readonly download?: Pick<DownloadOptions, 'stallTimeoutMs' | 'retryDelayMs'>
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

  const keptFolders = ({ datasetsDir }: DatasetFolders) => (datasetsDir ? set.localFolders.map((folder) => join(datasetsDir, folder)) : [])
  const dataFolder = ({ dataDir }: DatasetFolders) => join(dataDir, 'datasets', facts.name)
  const hasAll = (folders: readonly string[]) => all.every((file) => findFile(file.name, folders))
  const archiveIn = (folders: readonly string[]) => folders.map((folder) => join(folder, archive.name)).find((path) => existsSync(path))

  function locate(folders: DatasetFolders): DatasetSource {
    const kept = keptFolders(folders)
    if (hasAll(kept) || archiveIn(kept)) return 'local'
    const own = [dataFolder(folders)]
    return hasAll(own) || archiveIn(own) ? 'downloaded' : 'download'
  }

  function unavailable(folders: DatasetFolders, reason: string, options?: ErrorOptions) {
    return new DatasetUnavailableError(facts.title, dataFolder(folders), [archive.name], reason, options)
  }

  /** The folders that hold all files, after unpacking the archive where there was only that; none where it may not be fetched and is not here. */
  async function filesIn(options: LoadOptions & { readonly mayFetch: boolean }): Promise<readonly string[]> {
    const kept = keptFolders(options)
    if (hasAll(kept)) return kept
    const own = dataFolder(options)
    if (hasAll([own])) return [own]
    if (!options.mayFetch && !archiveIn([...kept, own])) return []
    await mkdir(own, { recursive: true })
    const makeFiles = async () => {
      if (hasAll([own])) return // another process has made them in the meantime
      await unpack(archiveIn([...kept, own]) ?? (await fetchArchive(own, options)), own, options)
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

  /** @returns the path of the archive */
  async function fetchArchive(folder: string, options: LoadOptions): Promise<string> {
    const { onProgress, signal } = options
    const path = join(folder, archive.name)
    try {
      await downloadFile(archive, path, { mirrors: set.mirrors, onProgress, signal, ...set.download })
    } catch (error) {
      signal?.throwIfAborted()
      if ((error as NodeJS.ErrnoException).syscall) throw error // the folder cannot be written: ENOSPC, EACCES, …
      throw unavailable(options, (error as Error).message, { cause: error })
    }
    return path
  }

  function pathOf(file: CifarFile, folders: readonly string[], options: DatasetFolders): string {
    const path = findFile(file.name, folders)
    if (!path) throw unavailable(options, '')
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
