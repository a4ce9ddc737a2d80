export type { Augmentation } from './augmentation.ts'
export type {
  DatasetFacts,
  DatasetFolders,
  DatasetSource,
  DatasetSplit,
  LoadOptions,
  LoadProgress,
  Normalization,
  SplitName,
} from './dataset.ts'
export { DatasetCorruptError, DatasetError, DatasetRequestError, DatasetUnavailableError } from './errors.ts'
export { type BatchBuffers, gatherBatch, normalizePixels } from './gather-batch.ts'
export { datasetCatalog, type DatasetName, type LoadedDataset, loadDataset, locateDataset, readImage } from './registry.ts'
export { splitTrain } from './split-train.ts'
