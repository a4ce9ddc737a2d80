import { clone, keep, type NamedTensorMap, type Scalar, type Tensor, valueAndGrads } from '@tensorflow/tfjs-core'
import { registerKernelGradients } from '../gradient/kernel-gradients.ts'

registerKernelGradients()

export interface LossResult {
  readonly loss: Scalar
  /** other results of the forward pass */
  readonly others: NamedTensorMap
}

/** Gradient of a loss with respect to the weights that `names` lists, every one of which it must depend on. */
export function differentiate(
  weights: NamedTensorMap,
  names: readonly string[],
  forward: () => LossResult,
): LossResult & { gradients: NamedTensorMap } {
  // What the function of valueAndGrads does not return is disposed before the backward pass, so the other results are kept by hand.
  const kept: NamedTensorMap = {}
  try {
    const run = valueAndGrads((..._weights: Tensor[]) => {
      const { loss, others } = forward()
      for (const [name, tensor] of Object.entries(others)) kept[name] = keep(clone(tensor))
      return loss
    })
    const { value, grads } = run(names.map((name) => weights[name]!))
    const gradients = Object.fromEntries(names.map((name, i) => [name, grads[i]!]))
    // A clone belongs to the caller's scope again, as the gradients do.
    const others = Object.fromEntries(Object.entries(kept).map(([name, tensor]) => [name, clone(tensor)]))
    return { loss: value as Scalar, others, gradients }
  } finally {
    for (const tensor of Object.values(kept)) tensor.dispose()
  }
}
