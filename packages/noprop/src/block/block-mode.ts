import { add, type NamedTensorMap, relu, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core'
import type { NormLayer } from './parameters.ts'

/** What a block does differently in training and in inference. */
export interface BlockMode {
  /** ReLU, then dropout without its scale 1/(1 − rate): the layer that reads the result multiplies by `dropoutScale` instead. */
  activate(x: Tensor4D, dropoutLayer: string): Tensor4D
  readonly dropoutScale: number
  /** Adds the bias of a layer and batch-normalises the sum. */
  normalize(x: Tensor2D, layer: NormLayer): Tensor2D
}

/** Inference on weights from `foldBatchNorm`, where the running statistics are already part of kernel and bias. */
export function frozenMode(weights: NamedTensorMap): BlockMode {
  return {
    activate: (x) => relu(x),
    dropoutScale: 1,
    normalize: (x, layer) => add(x, weights[layer.bias]!),
  }
}
