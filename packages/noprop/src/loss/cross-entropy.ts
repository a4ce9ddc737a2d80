import {
  customGrad,
  type GradSaveFunc,
  log,
  maximum,
  mul,
  neg,
  reshape,
  type Scalar,
  softmax,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
} from '@tensorflow/tfjs-core'

/** Keeps the logarithm finite; the smallest normal number of 32 bits. */
const smallestProbability = 1.2e-38

/**
 * Mean cross-entropy −log p(y), in nats. The gradient is written out, (p − target)/rows, which stays exact where p underflows.
 *
 * @param logits  [draws·batch, numClasses], draw by draw
 * @param targets indicator vectors, [batch, numClasses]
 */
export function crossEntropy(logits: Tensor2D, targets: Tensor2D): Scalar {
  const [batch, numClasses] = targets.shape
  const rows = logits.shape[0]
  const apply = customGrad((...inputs: unknown[]) => {
    const [x, save] = inputs as [Tensor2D, GradSaveFunc]
    const probabilities = reshape(softmax(x), [-1, batch, numClasses])
    const logProbabilities = log(maximum(probabilities, smallestProbability))
    const value = mul(neg(sum(mul(logProbabilities, targets))), 1 / rows) as Scalar
    save([reshape(mul(sub(probabilities, targets), 1 / rows), [rows, numClasses])])
    return { value, gradFunc: (dy: Tensor, saved: Tensor[]) => mul(saved[0]!, dy) }
  })
  return apply(logits) as Scalar
}
