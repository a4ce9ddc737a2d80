import { argMax, cast, equal, mean, reshape, type Scalar, type Tensor1D, type Tensor2D } from '@tensorflow/tfjs-core'

/** Share of rows whose largest logit is at the label. Rows are draw by draw: [draws·batch, numClasses] against labels [batch]. */
export function accuracy(logits: Tensor2D, labels: Tensor1D): Scalar {
  const predicted = reshape(argMax(logits, 1), [-1, labels.shape[0]])
  return mean(cast(equal(predicted, labels), 'float32'))
}
