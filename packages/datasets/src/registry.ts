import { createHash } from 'node:crypto'
import { cifar100 } from './cifar-100.ts'
import { cifar10 } from './cifar-10.ts'
import type {
  DatasetDefinition,
  DatasetFacts,
  DatasetFolders,
  DatasetSource,
  DatasetSplit,
  LoadOptions,
  Normalization,
  SplitName,
} from './dataset.ts'
import { DatasetRequestError } from './errors.ts'
import { fashionMnist } from './fashion-mnist.ts'
import { mnist } from './mnist.ts'
import { syntheticDigits } from './synthetic-digits.ts'

/** Every set that the product knows. */
const definitions = {
  mnist,
  'fashion-mnist': fashionMnist,
  'cifar-10': cifar10,
  'cifar-100': cifar100,
  'synthetic-digits': syntheticDigits,
} satisfies Record<string, DatasetDefinition>

export type DatasetName = keyof typeof definitions

/** What is known of each set without reading it. */
export const datasetCatalog: Readonly<Record<DatasetName, DatasetFacts>> = {
  mnist: mnist.facts,
  'fashion-mnist': fashionMnist.facts,
  'cifar-10': cifar10.facts,
  'cifar-100': cifar100.facts,
  'synthetic-digits': syntheticDigits.facts,
}

export interface LoadedDataset {
  readonly name: DatasetName
  readonly classes: readonly string[]
  /** [height, width, channels] */
  readonly imageShape: readonly [number, number, number]
  readonly normalization: Normalization
  readonly train: DatasetSplit
  readonly test: DatasetSplit
  /** over the decoded images and labels of both splits: the identity of the data, however it came here */
  readonly sha256: string
}

/**
 * Reads a set into memory; fetches or makes it first where it is not on this machine yet. The arrays belong to the caller.
 *
 * @throws {DatasetUnavailableError} it is not here and could not be fetched
 * @throws {DatasetCorruptError} a file of it is damaged
 * @throws the signal's reason, when aborted
 */
export async function loadDataset(name: DatasetName, options: LoadOptions): Promise<LoadedDataset> {
  const { facts, load } = definitionOf(name)
  const { train, test } = await load(options)
  const { classes, imageShape, normalization } = facts
  return { name, classes, imageShape, normalization, train, test, sha256: hashOf(train, test) }
}

/** Where the files of a set are at this moment. */
export function locateDataset(name: DatasetName, folders: DatasetFolders): DatasetSource {
  return definitionOf(name).locate(folders)
}

/**
 * Pixels of one image, [height, width, channels], without loading the set and without ever fetching it.
 *
 * @throws {DatasetRequestError} the index is outside the split
 * @throws {DatasetUnavailableError} the set is not on this machine yet
 */
export async function readImage(name: DatasetName, split: SplitName, index: number, folders: DatasetFolders): Promise<Uint8Array> {
  const definition = definitionOf(name)
  const count = split === 'train' ? definition.facts.trainExamples : definition.facts.testExamples
  if (!Number.isInteger(index) || index < 0 || index >= count)
    throw new DatasetRequestError(`${definition.facts.title} has no ${split} image ${index}; they are numbered 0 … ${count - 1}`)
  return definition.readImage(split, index, folders)
}

function definitionOf(name: DatasetName): DatasetDefinition {
  if (!Object.hasOwn(definitions, name))
    throw new DatasetRequestError(`there is no dataset ${name}; there are ${Object.keys(definitions).join(', ')}`)
  return definitions[name]
}

function hashOf(train: DatasetSplit, test: DatasetSplit): string {
  const hash = createHash('sha256')
  for (const part of [train.images, train.labels, test.images, test.labels]) hash.update(part)
  return hash.digest('hex')
}
