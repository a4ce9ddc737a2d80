/** @file An embedding W that is trained, together with everything that reads it, and its first values. */

import { matMul } from '@tensorflow/tfjs-core'
import { elementCount } from '../block/parameters.ts'
import { ModelConfigError, ShapeError } from '../errors.ts'
import type { InitialData, ModelConfig } from '../model.ts'
import { fillNormal, purposes, streamKey } from '../random/counter-random.ts'
import type { LabelEmbedding } from './label-embedding.ts'
import { indicatorRows } from './one-hot.ts'

export const embeddingName = 'embedding.matrix'

export type EmbeddingInit = 'orthogonal' | 'random' | 'prototype'

/** How the first values are chosen; `auto` resolved as the paper has it. */
export function embeddingInit({ embedding, embeddingInit: init }: Pick<ModelConfig, 'embedding' | 'embeddingInit'>): EmbeddingInit {
  if (init === 'auto') return embedding === 'prototype' ? 'prototype' : 'orthogonal'
  return init
}

/** A trained embedding of `dimension` numbers a class. */
export function trainedEmbedding(config: ModelConfig, dimension: number): LabelEmbedding {
  const { numClasses } = config
  const init = embeddingInit(config)
  if (init === 'prototype' && dimension !== elementCount(config.imageShape))
    throw new ModelConfigError('embeddingInit', 'only an embedding as long as an image has pixels can begin with training images')
  // Elements of variance 1 where W stands beside images, whose pixels are normalised to that; else rows of length 1, as one-hot rows have.
  const rowNorm = config.embedding === 'prototype' ? Math.sqrt(dimension) : 1
  return {
    dimension,
    parameters: [
      {
        name: embeddingName,
        shape: [numClasses, dimension],
        initial: { fill: (values, key, data) => fillEmbedding(values, init, { numClasses, dimension, rowNorm, key, data }) },
      },
    ],
    matrix: (weights) => weights[embeddingName] as ReturnType<LabelEmbedding['matrix']>,
    // A product with indicator vectors, because the gradient of a gather is a scatter, and this one is a product again.
    embed: (weights, labels) => matMul(indicatorRows(labels, numClasses), weights[embeddingName] as ReturnType<LabelEmbedding['matrix']>),
    combine: (weights, probabilities) => matMul(probabilities, weights[embeddingName] as ReturnType<LabelEmbedding['matrix']>),
  }
}

interface Fill {
  readonly numClasses: number
  readonly dimension: number
  readonly rowNorm: number
  readonly key: { readonly seed: number; readonly block: number; readonly index: number }
  readonly data: InitialData | undefined
}

function fillEmbedding(values: Float32Array, init: EmbeddingInit, { numClasses, dimension, rowNorm, key, data }: Fill): void {
  if (init === 'prototype') {
    const size = numClasses * dimension
    if (data?.prototypes.length !== size) throw new ShapeError('prototypes', size, data?.prototypes.length ?? 'none')
    values.set(data.prototypes)
    return
  }
  fillNormal(values, streamKey(key.seed, purposes.initialWeights, key.block, key.index))
  // More classes than dimensions leave no room for orthogonal rows: they stay random.
  if (init === 'orthogonal' && numClasses <= dimension) orthonormalize(values, numClasses, dimension)
  else scaleRows(values, 1 / Math.sqrt(dimension))
  scaleRows(values, rowNorm)
}

function scaleRows(values: Float32Array, factor: number) {
  for (let i = 0; i < values.length; i++) values[i]! *= factor
}

/** Gram–Schmidt, twice, which is enough for the precision of 32 bits; computed in 64. */
function orthonormalize(values: Float32Array, rows: number, columns: number) {
  const work = Float64Array.from(values)
  for (let r = 0; r < rows; r++) {
    const row = work.subarray(r * columns, (r + 1) * columns)
    for (let pass = 0; pass < 2; pass++) {
      for (let other = 0; other < r; other++) {
        const basis = work.subarray(other * columns, (other + 1) * columns)
        const along = row.reduce((sum, x, i) => sum + x * basis[i]!, 0)
        for (let i = 0; i < columns; i++) row[i]! -= along * basis[i]!
      }
    }
    const norm = Math.hypot(...row)
    for (let i = 0; i < columns; i++) row[i]! /= norm
  }
  values.set(work)
}
