import { join } from 'node:path'
import type { DatasetFacts, DatasetFolders, LoadOptions } from './dataset.ts'
import { downloadFile, type DownloadOptions, type RemoteFile } from './download.ts'
import { DatasetUnavailableError } from './errors.ts'

/** What all sets have in common that are published as files. */
export interface DistributedSet {
  readonly facts: DatasetFacts
  /** addresses of folders that hold the published files */
  readonly mirrors: readonly string[]
  /** where the files may lie below NOPROP_DATASETS_DIR */
  readonly localFolders: readonly string[]
  readonly download?: Pick<DownloadOptions, 'retryDelayMs'>
}

/** The folders of the user that may hold files of the set, the preferred one first. */
export function keptFolders({ localFolders }: DistributedSet, { datasetsDir }: DatasetFolders): string[] {
  return datasetsDir ? localFolders.map((folder) => join(datasetsDir, folder)) : []
}

/** The product's own folder for the set. */
export function ownFolder({ facts }: DistributedSet, { dataDir }: DatasetFolders): string {
  return join(dataDir, 'datasets', facts.name)
}

/** @param files the published files, as a user would have to get them */
export function unavailable(set: DistributedSet, files: readonly string[], folders: DatasetFolders, reason = '', options?: ErrorOptions) {
  return new DatasetUnavailableError(set.facts.title, ownFolder(set, folders), files, reason, options)
}

/**
 * Fetches one of the published files into the product's own folder.
 *
 * @returns its path
 * @throws {DatasetUnavailableError} no mirror has it
 */
export async function fetchFile(set: DistributedSet, file: RemoteFile, files: readonly string[], options: LoadOptions): Promise<string> {
  const { onProgress, signal } = options
  const path = join(ownFolder(set, options), file.name)
  try {
    await downloadFile(file, path, { mirrors: set.mirrors, onProgress, signal, ...set.download })
  } catch (error) {
    signal?.throwIfAborted()
    if ((error as NodeJS.ErrnoException).syscall) throw error // the folder cannot be written: ENOSPC, EACCES, …
    throw unavailable(set, files, options, (error as Error).message, { cause: error })
  }
  return path
}
