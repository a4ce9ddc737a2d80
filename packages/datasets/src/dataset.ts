/** Where the files of a set are: in NOPROP_DATASETS_DIR, in the data folder, still to be fetched, or made by this package itself. */
export type DatasetSource = 'local' | 'downloaded' | 'download' | 'generated'
export type SplitName = 'train' | 'test'

/** Per channel, of pixel values divided by 255. */
export interface Normalization {
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

/** One split in memory. */
export interface DatasetSplit {
  /** flat [n, height, width, channels] */
  readonly images: Uint8Array
  /** class indices, [n] */
  readonly labels: Uint8Array
}

/** What is known of a set without reading it. */
export interface DatasetFacts {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly classes: readonly string[]
  /** [height, width, channels] */
  readonly imageShape: readonly [number, number, number]
  readonly trainExamples: number
  readonly testExamples: number
  readonly normalization: Normalization
}

export interface DatasetFolders {
  /** The product's own folder; sets live in `datasets/<name>` below it. */
  readonly dataDir: string
  /** A folder of files that the user keeps (NOPROP_DATASETS_DIR); never written to. */
  readonly datasetsDir?: string | null
}

export interface LoadProgress {
  readonly file: string
  readonly receivedBytes: number
  readonly totalBytes: number | null
}

export interface LoadOptions extends DatasetFolders {
  readonly onProgress?: (progress: LoadProgress) => void
  readonly signal?: AbortSignal
}

/** How one set is found, read and, where needed, fetched or made. To add a set: one file that exports this, one line in registry.ts. */
export interface DatasetDefinition {
  readonly facts: DatasetFacts
  locate(folders: DatasetFolders): DatasetSource
  load(options: LoadOptions): Promise<Record<SplitName, DatasetSplit>>
  /** Pixels of one image, [height, width, channels]; never fetches anything. The index is inside the split. */
  readImage(split: SplitName, index: number, folders: DatasetFolders): Promise<Uint8Array>
}

export const digitClasses = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const
