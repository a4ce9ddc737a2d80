import { concat, type NamedTensorMap, split, type Tensor } from '@tensorflow/tfjs-core'

/** Weights that the optimizer moves as one tensor. */
export interface WeightGroup {
  readonly hasGradient: boolean
  /** The group's tensors of a map, which holds them under their names with an optional prefix, as one. */
  join(tensors: NamedTensorMap, prefix?: string): Tensor
  /** The reverse: writes the parts of `joined` under their names. */
  separate(joined: Tensor, target: NamedTensorMap, prefix?: string): void
}

/**
 * Biases and norms are two thirds of the tensors and one percent of the numbers: joined, they cost the optimizer as many kernels as one weight matrix.
 * Every matrix and kernel is a group of its own.
 */
export function groupWeights(weights: NamedTensorMap, names: readonly string[], gradients: NamedTensorMap): WeightGroup[] {
  const isVector = (name: string) => weights[name]!.rank === 1
  const groups = names.filter((name) => !isVector(name)).map((name) => [name])
  const vectors = names.filter(isVector)
  groups.push(
    vectors.filter((name) => name in gradients),
    vectors.filter((name) => !(name in gradients)),
  )
  return groups.filter((group) => group.length > 0).map((group) => weightGroup(weights, group, group[0]! in gradients))
}

function weightGroup(weights: NamedTensorMap, names: readonly string[], hasGradient: boolean): WeightGroup {
  const [first] = names
  const sizes = names.map((name) => weights[name]!.size)
  return {
    hasGradient,
    join(tensors, prefix = '') {
      return names.length === 1 ? tensors[prefix + first!]! : concat(names.map((name) => tensors[prefix + name]!))
    },
    separate(joined, target, prefix = '') {
      const parts = names.length === 1 ? [joined] : split(joined, sizes)
      names.forEach((name, i) => (target[prefix + name] = parts[i]!))
    },
  }
}
