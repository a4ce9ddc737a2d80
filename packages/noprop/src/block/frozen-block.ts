import type { HostTensors } from '@noprop/engine'
import { foldBatchNorm } from './batch-norm.ts'
import type { DenoisingBlock } from './denoising-block.ts'
import type { ParameterSpec } from './parameters.ts'

/** What is left of a block's weights when batch norm is folded into kernels and biases. */
export function frozenParameters(block: DenoisingBlock): ParameterSpec[] {
  const ofNorms = new Set(block.normLayers.flatMap(({ name }) => [`${name}.scale`, `${name}.offset`]))
  return block.parameters.filter(({ name }) => !ofNorms.has(name))
}

/** Their values, from the weights and running statistics of the block. */
export function frozenBlockWeights(block: DenoisingBlock, state: HostTensors): HostTensors {
  return foldBatchNorm(
    state,
    frozenParameters(block).map(({ name }) => name),
    block.normLayers,
  )
}
