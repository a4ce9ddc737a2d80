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
  let kept: NamedTensorMap = {}
  const run = valueAndGrads((..._weights: Tensor[]) => {
    const { loss, others } = forward()
    kept = mapTensors(others, (tensor) => keep(clone(tensor)))
    return loss
  })
  const { value, grads } = run(names.map((name) => weights[name]!))
  // A clone belongs to the caller's scope again, as the gradients do.
  const others = mapTensors(kept, (tensor) => {
    const result = clone(tensor)
    tensor.dispose()
    return result
  })
  return { loss: value as Scalar, others, gradients: Object.fromEntries(names.map((name, i) => [name, grads[i]!])) }
}

function mapTensors(tensors: NamedTensorMap, f: (tensor: Tensor) => Tensor): NamedTensorMap {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, f(tensor)]))
}
