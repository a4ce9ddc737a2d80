/** @file What every chain checks and takes apart. */

import type { HostTensors } from '@noprop/engine'
import { elementCount } from '../block/parameters.ts'
import { ModelConfigError, ShapeError } from '../errors.ts'
import type { ChainOptions, ModelConfig } from '../model.ts'

/** @throws {ModelConfigError} batchSize or samples is empty */
export function checkChainOptions({ batchSize, samples }: ChainOptions): void {
  if (!Number.isInteger(batchSize) || batchSize < 1) throw new ModelConfigError('batchSize', 'a chain needs at least 1 image')
  if (samples.length === 0) throw new ModelConfigError('samples', 'a chain needs at least 1 sample')
}

/** @throws {ShapeError} images or keys are not those of a batch */
export function checkChainInputs(
  { batchSize }: ChainOptions,
  { imageShape }: ModelConfig,
  images: Float32Array,
  keys: readonly number[],
): void {
  const expected = batchSize * elementCount(imageShape)
  if (images.length !== expected) throw new ShapeError('images', expected, images.length)
  if (keys.length !== batchSize) throw new ShapeError('keys', batchSize, keys.length)
}

/** @throws {ShapeError} there is no state of the unit */
export function requireState(states: ReadonlyMap<number, HostTensors>, unit: number): HostTensors {
  const state = states.get(unit)
  if (!state) throw new ShapeError('states', `a state of unit ${unit}`, 'none')
  return state
}

/** Values that stand sample by sample, as views of `size` each. */
export function splitSamples(values: Float32Array, samples: number, size: number): Float32Array[] {
  return Array.from({ length: samples }, (_, sample) => values.subarray(sample * size, (sample + 1) * size))
}
