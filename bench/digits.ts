import { join } from 'node:path'
import type { DatasetName } from '@noprop/contract'
import { DatasetUnavailableError, loadDataset, locateDataset } from '@noprop/datasets'

/** Where MNIST is kept if it must be downloaded: the product's own data folder, so that the next start need not fetch it. */
const dataDir = 'data'

/** Handwritten digits to train on. */
export interface Digits {
  readonly dataset: DatasetName
  /** NOPROP_DATASETS_DIR of a server that is to find them */
  readonly datasetsDir?: string
  /** why they are not those of MNIST */
  readonly reason?: string
}

/** MNIST, from the folder that NOPROP_DATASETS_DIR names or from that of the product, which downloads it; digits that the product makes, where it cannot be had. */
export async function findDigits(): Promise<Digits> {
  const folders = { dataDir, datasetsDir: process.env['NOPROP_DATASETS_DIR'] || null }
  try {
    await loadDataset('mnist', folders)
  } catch (error) {
    if (error instanceof DatasetUnavailableError) return { dataset: 'synthetic-digits', reason: error.message }
    throw error
  }
  const isLocal = locateDataset('mnist', folders) === 'local'
  return { dataset: 'mnist', datasetsDir: isLocal ? folders.datasetsDir! : join(dataDir, 'datasets') }
}
