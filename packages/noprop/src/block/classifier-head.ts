import { add, matMul, type NamedTensorMap, type Tensor2D } from '@tensorflow/tfjs-core'
import { dense, type ParameterSpec } from './parameters.ts'

/** p̂(y | z_T) = softmax(linear(z_T)): the layer from which the paper reads the class. */
export interface ClassifierHead {
  readonly parameters: readonly ParameterSpec[]
  /** Latents [rows, embeddingDim] → class logits [rows, numClasses]. */
  logits(weights: NamedTensorMap, z: Tensor2D): Tensor2D
}

export function linearHead(embeddingDim: number, numClasses: number): ClassifierHead {
  return {
    parameters: dense('head', embeddingDim, numClasses),
    logits: (weights, z) => add(matMul(z, weights['head.kernel'] as Tensor2D), weights['head.bias']!),
  }
}
