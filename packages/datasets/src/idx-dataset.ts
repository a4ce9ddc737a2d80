import { join } from 'node:path'
import type { DatasetDefinition, DatasetFacts, DatasetFolders, DatasetSource, DatasetSplit, LoadOptions, SplitName } from './dataset.ts'
import { findFile, readSlice } from './dataset-file.ts'
import { downloadFile, type DownloadOptions, type RemoteFile } from './download.ts'
import { DatasetUnavailableError } from './errors.ts'
import { type IdxFile, idxFileSize, idxHeaderSize, readIdxFile } from './idx.ts'

/** An idx file and the archive that it is distributed in. */
export interface DistributedIdxFile extends IdxFile {
  readonly archive: Omit<RemoteFile, 'name'>
}

export interface IdxDataset {
  readonly facts: DatasetFacts
  readonly files: Record<SplitName, { readonly images: DistributedIdxFile; readonly labels: DistributedIdxFile }>
  /** addresses of folders that hold `<file>.gz` */
  readonly mirrors: readonly string[]
  /** where the files may lie below NOPROP_DATASETS_DIR */
  readonly localFolders: readonly string[]
  readonly download?: Pick<DownloadOptions, 'stallTimeoutMs' | 'retryDelayMs'>
}

/** A set in the format of MNIST: four gzipped idx files from one of several mirrors. */
export function defineIdxDataset(set: IdxDataset): DatasetDefinition {
  const { facts } = set
  const all = [set.files.train.images, set.files.train.labels, set.files.test.images, set.files.test.labels]
  const keptFolders = ({ datasetsDir }: DatasetFolders) => (datasetsDir ? set.localFolders.map((folder) => join(datasetsDir, folder)) : [])
  const downloadFolder = ({ dataDir }: DatasetFolders) => join(dataDir, 'datasets', facts.name)
  const hasAll = (folders: readonly string[]) => all.every((file) => findFile(file.name, folders))

  function locate(folders: DatasetFolders): DatasetSource {
    if (hasAll(keptFolders(folders))) return 'local'
    return hasAll([downloadFolder(folders)]) ? 'downloaded' : 'download'
  }

  function pathOf(file: IdxFile, folders: DatasetFolders): string {
    const path = findFile(file.name, locate(folders) === 'local' ? keptFolders(folders) : [downloadFolder(folders)])
    if (!path) throw unavailable(folders, '')
    return path
  }

  function unavailable(folders: DatasetFolders, reason: string, options?: ErrorOptions) {
    const names = all.map((file) => `${file.name}.gz`)
    return new DatasetUnavailableError(facts.title, downloadFolder(folders), names, reason, options)
  }

  async function fetchMissing(options: LoadOptions) {
    const folder = downloadFolder(options)
    for (const file of all) {
      if (findFile(file.name, [folder])) continue
      const archive = { name: `${file.name}.gz`, ...file.archive }
      const { onProgress, signal } = options
      try {
        await downloadFile(archive, join(folder, archive.name), { mirrors: set.mirrors, onProgress, signal, ...set.download })
      } catch (error) {
        signal?.throwIfAborted()
        if ((error as NodeJS.ErrnoException).syscall) throw error // the folder cannot be written: ENOSPC, EACCES, …
        throw unavailable(options, (error as Error).message, { cause: error })
      }
    }
  }

  return {
    facts,
    locate,
    async load(options) {
      if (locate(options) === 'download') await fetchMissing(options)
      const read = async (split: SplitName): Promise<DatasetSplit> => {
        const { images, labels } = set.files[split]
        return { images: await readIdxFile(images, pathOf(images, options)), labels: await readIdxFile(labels, pathOf(labels, options)) }
      }
      return { train: await read('train'), test: await read('test') }
    },
    async readImage(split, index, folders) {
      const file = set.files[split].images
      const size = facts.imageShape.reduce((product, n) => product * n, 1)
      return readSlice(pathOf(file, folders), idxHeaderSize(file.shape.length) + index * size, size, idxFileSize(file))
    },
  }
}
