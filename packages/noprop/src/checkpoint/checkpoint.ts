/** @file What a checkpoint holds, in a safetensors file: the state as tensors, the rest as metadata. */

import type { HostTensors, TensorSpecs } from '@noprop/engine'
import { CheckpointFormatError, CheckpointVersionError } from '../errors.ts'
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from './safetensors.ts'

/** Rises when an older build could no longer read what is written. */
const formatVersion = 1

/** One block's weights, optimizer moments and running statistics, and where it stands. */
export interface CheckpointContent<Config = unknown> {
  /** the configuration of the run; any JSON value */
  readonly config: Config
  readonly block: number
  /** epochs finished */
  readonly epoch: number
  /** optimizer steps done, from the start of the run */
  readonly step: number
  readonly state: HostTensors
}

export interface EncodableCheckpoint<Config = unknown> extends CheckpointContent<Config> {
  /** shapes of the state, such as `trainingProgram(n).state`; a tensor without one is stored flat */
  readonly specs?: TensorSpecs
}

/** Equal content gives equal bytes. */
export function encodeCheckpoint({ config, block, epoch, step, state, specs }: EncodableCheckpoint): Uint8Array {
  const tensors: Record<string, StoredTensor> = Object.create(null)
  for (const [name, values] of Object.entries(state)) tensors[name] = { shape: specs?.[name]?.shape ?? [values.length], values }
  const metadata = {
    format: 'noprop-checkpoint',
    format_version: String(formatVersion),
    block: String(block),
    epoch: String(epoch),
    step: String(step),
    config: JSON.stringify(config),
  }
  return encodeSafetensors({ metadata, tensors })
}

/**
 * `config` is returned as it was stored: check it against its schema before use.
 *
 * @throws {SafetensorsError} the bytes are damaged
 * @throws {CheckpointFormatError} it is a safetensors file, but not a checkpoint
 * @throws {CheckpointVersionError} a newer version wrote it
 */
export function decodeCheckpoint(bytes: Uint8Array): CheckpointContent {
  const { metadata, tensors } = decodeSafetensors(bytes)
  if (metadata['format'] !== 'noprop-checkpoint') throw new CheckpointFormatError('the file is not a checkpoint of this product')
  const version = readInteger(metadata, 'format_version')
  if (version > formatVersion) throw new CheckpointVersionError(version, formatVersion)
  const state: HostTensors = Object.create(null)
  for (const [name, { values }] of Object.entries(tensors)) state[name] = values
  return {
    config: readConfig(metadata),
    block: readInteger(metadata, 'block'),
    epoch: readInteger(metadata, 'epoch'),
    step: readInteger(metadata, 'step'),
    state,
  }
}

function readInteger(metadata: Readonly<Record<string, string>>, field: string): number {
  const text = metadata[field] ?? ''
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new CheckpointFormatError(`${field} of the checkpoint is not a whole number`)
  return value
}

function readConfig(metadata: Readonly<Record<string, string>>): unknown {
  try {
    return JSON.parse(metadata['config'] ?? '') as unknown
  } catch (error) {
    throw new CheckpointFormatError('config of the checkpoint is not JSON', { cause: error })
  }
}
