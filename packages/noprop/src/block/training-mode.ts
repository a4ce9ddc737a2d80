import { cast, type NamedTensorMap, relu, type Tensor1D, type Tensor4D } from '@tensorflow/tfjs-core'
import { batchNorm, runningMeanName, runningVarianceName, updateRunningStatistics } from './batch-norm.ts'
import type { BlockMode } from './block-mode.ts'
import { dropoutScale, maskedRelu } from './dropout.ts'

/**
 * How a block runs in training: dropout by masks, batch norm by the statistics of the batch.
 *
 * @param state             weights and running statistics of the block
 * @param masks             by name of the dropout layer; a layer without one drops nothing
 * @param rate              of the dropout
 * @param runningStatistics where the running statistics after this batch are left, under their names in the state
 */
export function trainingMode(state: NamedTensorMap, masks: NamedTensorMap, rate: number, runningStatistics: NamedTensorMap): BlockMode {
  return {
    dropoutScale: dropoutScale(rate),
    activate(x, layer) {
      const mask = masks[layer]
      return mask ? maskedRelu(x, cast(mask, 'float32') as Tensor4D) : relu(x)
    },
    normalize(x, { name, bias }) {
      const { value, statistics } = batchNorm(x, state[`${name}.scale`] as Tensor1D, state[`${name}.offset`] as Tensor1D)
      const [meanName, varianceName] = [runningMeanName(name), runningVarianceName(name)]
      const running = { mean: state[meanName]!, variance: state[varianceName]! }
      // Batch norm removes the bias of the layer before it, whose gradient is 0: it appears in the running mean alone.
      const next = updateRunningStatistics(running, statistics, state[bias]!, x.shape[0])
      runningStatistics[meanName] = next.mean
      runningStatistics[varianceName] = next.variance
      return value
    },
  }
}
