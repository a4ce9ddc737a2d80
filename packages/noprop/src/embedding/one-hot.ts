import { gather, type Tensor1D, type Tensor2D, tensor2d } from '@tensorflow/tfjs-core'
import type { LabelEmbedding } from './label-embedding.ts'

/** W = I: d is the number of classes, and the mean embedding is the vector of probabilities itself. Fixed, so blocks share nothing. */
export function oneHotEmbedding(numClasses: number): LabelEmbedding {
  return {
    dimension: numClasses,
    embed: (labels) => indicatorRows(labels, numClasses),
    combine: (probabilities) => probabilities,
  }
}

/** Class indices [batch] as indicator vectors [batch, numClasses]. */
export function indicatorRows(labels: Tensor1D, numClasses: number): Tensor2D {
  const identity = Float32Array.from({ length: numClasses ** 2 }, (_, i) => (i % (numClasses + 1) === 0 ? 1 : 0))
  // A gather from a constant matrix rather than the OneHot kernel, whose dtype rules differ between backends.
  return gather(tensor2d(identity, [numClasses, numClasses]), labels)
}
