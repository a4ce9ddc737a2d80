import { gather, type Tensor1D, type Tensor2D, tensor2d } from '@tensorflow/tfjs-core'
import type { LabelEmbedding } from './label-embedding.ts'

/** W = I: d is the number of classes, and the mean embedding is the vector of probabilities itself. Fixed, so blocks share nothing. */
export function oneHotEmbedding(numClasses: number): LabelEmbedding {
  return {
    dimension: numClasses,
    parameters: [],
    matrix: () => identity(numClasses),
    embed: (_, labels) => indicatorRows(labels, numClasses),
    combine: (_, probabilities) => probabilities,
  }
}

/** Class indices [batch] as indicator vectors [batch, numClasses]. */
export function indicatorRows(labels: Tensor1D, numClasses: number): Tensor2D {
  // A gather from a constant matrix rather than the OneHot kernel, whose dtype rules differ between backends.
  return gather(identity(numClasses), labels)
}

function identity(size: number): Tensor2D {
  return tensor2d(identityMatrix(size), [size, size])
}

/** W, row by row. */
export function identityMatrix(size: number): Float32Array {
  return Float32Array.from({ length: size ** 2 }, (_, i) => (i % (size + 1) === 0 ? 1 : 0))
}
