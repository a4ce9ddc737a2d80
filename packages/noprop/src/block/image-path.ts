/** @file The convolutional path of a block: image → features. It does not see the latent, so one pass serves every noise draw. */

import {
  add,
  conv2d,
  matMul,
  maxPool,
  mul,
  type NamedTensorMap,
  relu,
  reshape,
  slice,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
} from '@tensorflow/tfjs-core'
import { ModelConfigError } from '../errors.ts'
import type { BlockMode } from './block-mode.ts'
import type { DropoutLayer } from './dropout.ts'
import { convolution, dense, norm, type NormLayer, type ParameterSpec } from './parameters.ts'

export interface ImagePath {
  readonly parameters: readonly ParameterSpec[]
  readonly normLayers: readonly NormLayer[]
  readonly dropoutLayers: readonly DropoutLayer[]
  /** multiply-adds for one image */
  readonly multiplyAdds: number
  /** Images [rows, height, width, channels] → features [rows, features]. */
  apply(weights: NamedTensorMap, images: Tensor4D, mode: BlockMode): Tensor2D
}

interface ImagePathConfig {
  readonly imageShape: readonly [number, number, number]
  readonly channels: readonly [number, number, number]
  readonly features: number
  /** begins the names of the weights */
  readonly prefix?: string
  /** what follows the last layer: batch norm in discrete time, ReLU in continuous time */
  readonly ending?: 'batch-norm' | 'relu'
}

/**
 * conv(c₁) → ReLU → maxpool → dropout → conv(c₂) → ReLU → dropout → conv(c₃) → ReLU → maxpool → dropout → flatten → dense → batch norm or ReLU.
 * Convolutions are 3×3, unpadded, stride 1; pooling is 2×2 and floors. This reproduces the parameter counts of the paper.
 *
 * Because pooling floors, the last rows and columns of every layer reach no feature (of 28 pixels a side, 26 do). They are cut off the image, which changes no
 * value and no gradient, and saves a fifth of the work.
 *
 * @throws {ModelConfigError} imageShape: nothing would be left of the image
 */
export function imagePath({ imageShape, channels, features, prefix = 'image', ending = 'batch-norm' }: ImagePathConfig): ImagePath {
  const norm1: NormLayer = { name: `${prefix}.norm`, size: features, kernels: [`${prefix}.dense.kernel`], bias: `${prefix}.dense.bias` }
  const isNormed = ending === 'batch-norm'
  const [height, width, colors] = imageShape
  const [c1, c2, c3] = channels
  const sides = [height, width].map(sidesOf)
  const area = (stage: keyof Sides) => sides.reduce((product, side) => product * side[stage], 1)
  if (sides.some(({ pool3 }) => pool3 < 1))
    throw new ModelConfigError('imageShape', `an image must be at least 14 pixels high and wide, not ${height}×${width}`)
  const shapeAt = (stage: keyof Sides, depth: number) => [...sides.map((side) => side[stage]), depth]
  const flat = area('pool3') * c3

  return {
    parameters: [
      ...convolution(`${prefix}.conv1`, colors, c1),
      ...convolution(`${prefix}.conv2`, c1, c2),
      ...convolution(`${prefix}.conv3`, c2, c3),
      ...dense(`${prefix}.dense`, flat, features),
      ...(isNormed ? norm(norm1.name, features) : []),
    ],
    normLayers: isNormed ? [norm1] : [],
    dropoutLayers: [
      { name: `${prefix}.dropout1`, shape: shapeAt('pool1', c1) },
      { name: `${prefix}.dropout2`, shape: shapeAt('conv2', c2) },
      { name: `${prefix}.dropout3`, shape: shapeAt('pool3', c3) },
    ],
    multiplyAdds: 9 * (area('conv1') * colors * c1 + area('conv2') * c1 * c2 + area('conv3') * c2 * c3) + flat * features,
    apply(weights, images, mode) {
      const scaled = (kernel: Tensor) => (mode.dropoutScale === 1 ? kernel : mul(kernel, mode.dropoutScale))
      const convolve = (x: Tensor4D, kernel: Tensor) => conv2d(x, kernel as Tensor4D, 1, 'valid')
      const biased = (x: Tensor4D, layer: string) => add(x, weights[`${layer}.bias`]!) as Tensor4D
      // Pooling comes before bias and ReLU: both are monotonic, so the values are the same, for a quarter of the work.
      const pooled = (x: Tensor4D) => maxPool(x, 2, 2, 'valid')

      const visible = slice(images, 0, [-1, ...sides.map(({ image }) => image), colors])
      const x1 = biased(pooled(convolve(visible, weights[`${prefix}.conv1.kernel`]!)), `${prefix}.conv1`)
      const y1 = mode.activate(x1, `${prefix}.dropout1`)
      const x2 = biased(convolve(y1, scaled(weights[`${prefix}.conv2.kernel`]!)), `${prefix}.conv2`)
      const y2 = mode.activate(x2, `${prefix}.dropout2`)
      const x3 = biased(pooled(convolve(y2, scaled(weights[`${prefix}.conv3.kernel`]!))), `${prefix}.conv3`)
      const y3 = mode.activate(x3, `${prefix}.dropout3`)
      // Of kernel and result, the result is the smaller one here.
      const x4 = scaled(matMul(reshape(y3, [-1, flat]), weights[`${prefix}.dense.kernel`]! as Tensor2D)) as Tensor2D
      return isNormed ? mode.normalize(x4, norm1) : relu(add(x4, weights[norm1.bias]!))
    },
  }
}

/** What a label path must have. */
export interface LatentPath {
  readonly parameters: readonly ParameterSpec[]
  readonly normLayers: readonly NormLayer[]
  readonly dropoutLayers: readonly DropoutLayer[]
  /** multiply-adds for one latent */
  readonly multiplyAdds: number
  /** latents [rows, embeddingDim] → features [rows, features] */
  apply(weights: NamedTensorMap, z: Tensor2D, mode: BlockMode): Tensor2D
}

/** A latent as long as an image has pixels is an image, and passes through an image path of its own. */
export function latentImagePath(config: ImagePathConfig, ending: 'batch-norm' | 'relu'): LatentPath {
  const path = imagePath({ ...config, prefix: 'label', ending })
  return {
    ...path,
    dropoutLayers: path.dropoutLayers.map((layer) => ({ ...layer, perDraw: true })),
    apply: (weights, z, mode) => path.apply(weights, reshape(z, [-1, ...config.imageShape]) as Tensor4D, mode),
  }
}

/** Length of one side of each layer's output, as far as it reaches a feature. */
interface Sides {
  readonly image: number
  readonly conv1: number
  readonly pool1: number
  readonly conv2: number
  readonly conv3: number
  readonly pool3: number
}

function sidesOf(side: number): Sides {
  const pool3 = Math.floor((Math.floor((side - 2) / 2) - 4) / 2)
  const conv3 = 2 * pool3
  const conv2 = conv3 + 2
  const pool1 = conv2 + 2
  const conv1 = 2 * pool1
  return { image: conv1 + 2, conv1, pool1, conv2, conv3, pool3 }
}
