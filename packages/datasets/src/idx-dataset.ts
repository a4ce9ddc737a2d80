import { readFile } from 'node:fs/promises'
import type { DatasetDefinition, DatasetFolders, DatasetSource, DatasetSplit, SplitName } from './dataset.ts'
import { checkSha256, findFile, readSlice } from './dataset-file.ts'
import { type DistributedSet, fetchFile, keptFolders, ownFolder, unavailable } from './distributed-set.ts'
import type { RemoteFile } from './download.ts'
import { DatasetCorruptError } from './errors.ts'
import { type IdxFile, idxFileSize, idxHeaderSize, readIdxFile } from './idx.ts'

/** An idx file and the archive that it is distributed in. */
export interface DistributedIdxFile extends IdxFile {
  readonly archive: Omit<RemoteFile, 'name'>
}

export interface IdxDataset extends DistributedSet {
  /** distributed as `<file>.gz` */
  readonly files: Record<SplitName, { readonly images: DistributedIdxFile; readonly labels: DistributedIdxFile }>
}

/** A set in the format of MNIST: four gzipped idx files from one of several mirrors. */
export function defineIdxDataset(set: IdxDataset): DatasetDefinition {
  const { facts } = set
  const all = [set.files.train.images, set.files.train.labels, set.files.test.images, set.files.test.labels]
  const archiveNames = all.map((file) => `${file.name}.gz`)
  const hasAll = (folders: readonly string[]) => all.every((file) => findFile(file.name, folders))

  function locate(folders: DatasetFolders): DatasetSource {
    if (hasAll(keptFolders(set, folders))) return 'local'
    return hasAll([ownFolder(set, folders)]) ? 'downloaded' : 'download'
  }

  function pathOf(file: IdxFile, folders: DatasetFolders): string {
    const path = findFile(file.name, locate(folders) === 'local' ? keptFolders(set, folders) : [ownFolder(set, folders)])
    if (!path) throw unavailable(set, archiveNames, folders)
    return path
  }

  async function readSplit(split: SplitName, folders: DatasetFolders): Promise<DatasetSplit> {
    const { images, labels } = set.files[split]
    const labelsPath = pathOf(labels, folders)
    const data = { images: await readDistributed(images, pathOf(images, folders)), labels: await readDistributed(labels, labelsPath) }
    const stranger = data.labels.find((label) => label >= facts.classes.length)
    if (stranger !== undefined)
      throw new DatasetCorruptError(labelsPath, `has the label ${stranger}, where there are ${facts.classes.length} classes`)
    return data
  }

  return {
    facts,
    locate,
    async load(options) {
      if (locate(options) === 'download') {
        for (const file of all) {
          if (findFile(file.name, [ownFolder(set, options)])) continue
          await fetchFile(set, { name: `${file.name}.gz`, ...file.archive }, archiveNames, options)
        }
      }
      return { train: await readSplit('train', options), test: await readSplit('test', options) }
    },
    async readImage(split, index, folders) {
      const file = set.files[split].images
      const size = facts.imageShape.reduce((product, n) => product * n, 1)
      return readSlice(pathOf(file, folders), idxHeaderSize(file.shape.length) + index * size, size, idxFileSize(file))
    },
  }
}

/** Where only the checksum of the archive is known, an archive must be that one. */
async function readDistributed(file: DistributedIdxFile, path: string): Promise<Uint8Array> {
  if (file.sha256 === null && path.endsWith('.gz')) checkSha256(await readFile(path), file.archive.sha256, path)
  return readIdxFile(file, path)
}
