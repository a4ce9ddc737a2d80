/** @file The denoising block û(z, x): it predicts the class from a noisy latent and the image. */

import { add, matMul, type NamedTensorMap, relu, reshape, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core'
import type { BlockMode } from './block-mode.ts'
import type { DropoutLayer } from './dropout.ts'
import { imagePath } from './image-path.ts'
import { dense, norm, type NormLayer, type ParameterSpec } from './parameters.ts'

export interface DenoisingBlock {
  readonly parameters: readonly ParameterSpec[]
  readonly normLayers: readonly NormLayer[]
  readonly dropoutLayers: readonly DropoutLayer[]
  /**
   * Weights that add the same to every row of what a batch norm then centres. Their gradient is 0, but in floating point it is rounding noise, which
   * AdamW would blow up to full steps, other ones on every device: training leaves them out.
   */
  readonly removedByNorm: readonly string[]
  /** multiply-adds for one image and one latent */
  readonly multiplyAdds: number
  /**
   * @param images [batch, height, width, channels]
   * @param z      latents [draws·batch, embeddingDim], draw by draw: row k·batch + i belongs to image i
   * @returns      class logits [draws·batch, numClasses]
   */
  logits(weights: NamedTensorMap, images: Tensor4D, z: Tensor2D, mode: BlockMode): Tensor2D
}

export interface BlockConfig {
  readonly imageShape: readonly [number, number, number]
  readonly channels: readonly [number, number, number]
  readonly features: number
  readonly embeddingDim: number
  readonly numClasses: number
}

/** The paper's DT block (its Fig. 6 in v1, Fig. 5 in v2): image path and label path, joined and read out. */
export function denoisingBlock(config: BlockConfig): DenoisingBlock {
  const { features, embeddingDim, numClasses } = config
  const image = imagePath(config)
  const hidden = Math.floor(features / 2)
  const norms = normLayers(features, hidden)

  return {
    parameters: [
      ...image.parameters,
      ...dense('label.dense1', embeddingDim, features),
      ...norm('label.norm1', features),
      ...dense('label.dense2', features, features),
      ...norm('label.norm2', features),
      ...dense('label.dense3', features, features),
      ...norm('label.norm3', features),
      ...fusionInput(features),
      ...norm('fusion.norm1', features),
      ...dense('fusion.dense2', features, hidden),
      ...norm('fusion.norm2', hidden),
      ...dense('fusion.dense3', hidden, numClasses),
    ],
    normLayers: [...image.normLayers, ...Object.values(norms)],
    dropoutLayers: image.dropoutLayers,
    // The biases before a batch norm, and the offsets of the two that end the paths: fusion.norm1 centres the sum of both.
    removedByNorm: [...[...image.normLayers, ...Object.values(norms)].map(({ bias }) => bias), 'image.norm.offset', 'label.norm3.offset'],
    multiplyAdds: image.multiplyAdds + features * (embeddingDim + 4 * features + hidden) + hidden * numClasses,
    logits(weights, images, z, mode) {
      const apply = (x: Tensor2D, kernel: string): Tensor2D => matMul(x, weights[kernel] as Tensor2D)
      const fromImage = apply(image.apply(weights, images, mode), 'fusion.dense1.imageKernel')

      const h = relu(mode.normalize(apply(z, 'label.dense1.kernel'), norms.label1))
      const inner = relu(mode.normalize(apply(h, 'label.dense2.kernel'), norms.label2))
      const fromLatent = add(h, mode.normalize(apply(inner, 'label.dense3.kernel'), norms.label3)) as Tensor2D

      const joined = addToEveryDraw(apply(fromLatent, 'fusion.dense1.labelKernel'), fromImage)
      const fused = relu(mode.normalize(joined, norms.fusion1))
      const last = relu(mode.normalize(apply(fused, 'fusion.dense2.kernel'), norms.fusion2))
      return add(apply(last, 'fusion.dense3.kernel'), weights['fusion.dense3.bias']!)
    },
  }
}

/** Rows of x [draws·batch, n] plus the row of y [batch, n] of the same image. */
function addToEveryDraw(x: Tensor2D, y: Tensor2D): Tensor2D {
  const [batch, n] = y.shape
  return reshape(add(reshape(x, [-1, batch, n]), y), [-1, n])
}

/**
 * The layer that reads both paths. The paper concatenates them; two kernels whose products are added are the same function of the same number of
 * weights, and the image's half is computed once however many latents there are.
 */
function fusionInput(features: number): ParameterSpec[] {
  const initial = { bound: 1 / Math.sqrt(2 * features) }
  return [
    { name: 'fusion.dense1.imageKernel', shape: [features, features], initial },
    { name: 'fusion.dense1.labelKernel', shape: [features, features], initial },
    { name: 'fusion.dense1.bias', shape: [features], initial },
  ]
}

function normLayers(features: number, hidden: number) {
  const after = (path: string, index: number, size: number, kernels = ['kernel']): NormLayer => ({
    name: `${path}.norm${index}`,
    size,
    kernels: kernels.map((kernel) => `${path}.dense${index}.${kernel}`),
    bias: `${path}.dense${index}.bias`,
  })
  return {
    label1: after('label', 1, features),
    label2: after('label', 2, features),
    label3: after('label', 3, features),
    fusion1: after('fusion', 1, features, ['imageKernel', 'labelKernel']),
    fusion2: after('fusion', 2, hidden),
  }
}
