/** @file The denoising block û(z, x): it predicts the class from a noisy latent and the image. */

import { add, type NamedTensorMap, relu, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core'
import type { BlockMode } from './block-mode.ts'
import type { DropoutLayer } from './dropout.ts'
import { imagePath, latentImagePath, type LatentPath } from './image-path.ts'
import { addToEveryDraw, linear, product } from './linear.ts'
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
  /** All weights but those of the last layer, which reads the class. */
  readonly hiddenParameters: readonly ParameterSpec[]
  /** width of the last hidden layer */
  readonly hiddenSize: number
  /**
   * The last hidden layer, from which the class is read.
   *
   * @param images [batch, height, width, channels]
   * @param z      latents [draws·batch, embeddingDim], draw by draw: row k·batch + i belongs to image i
   * @returns      its activity after ReLU, [draws·batch, hiddenSize]
   */
  hidden(weights: NamedTensorMap, images: Tensor4D, z: Tensor2D, mode: BlockMode): Tensor2D
  /** Class logits [draws·batch, numClasses] of the same. */
  logits(weights: NamedTensorMap, images: Tensor4D, z: Tensor2D, mode: BlockMode): Tensor2D
}

export interface BlockConfig {
  readonly imageShape: readonly [number, number, number]
  readonly channels: readonly [number, number, number]
  readonly features: number
  readonly embeddingDim: number
  readonly numClasses: number
  /** latents are images: a prototype embedding */
  readonly latentIsImage: boolean
}

/** The paper's DT block (its Fig. 6 in v1, Fig. 5 in v2): image path and label path, joined and read out. */
export function denoisingBlock(config: BlockConfig): DenoisingBlock {
  const { features, numClasses } = config
  const image = imagePath(config)
  const label = config.latentIsImage ? imageLabelPath(config) : vectorLabelPath(config)
  const hiddenSize = Math.floor(features / 2)
  const norms = { fusion1: normAfter('fusion', 1, features, ['imageKernel', 'labelKernel']), fusion2: normAfter('fusion', 2, hiddenSize) }
  const normLayers = [...image.normLayers, ...label.normLayers, ...Object.values(norms)]

  const hiddenParameters = [
    ...image.parameters,
    ...label.parameters,
    ...fusionInput(features),
    ...norm('fusion.norm1', features),
    ...dense('fusion.dense2', features, hiddenSize),
    ...norm('fusion.norm2', hiddenSize),
  ]

  function hidden(weights: NamedTensorMap, images: Tensor4D, z: Tensor2D, mode: BlockMode): Tensor2D {
    const fromImage = product(image.apply(weights, images, mode), weights, 'fusion.dense1.imageKernel')
    const joined = addToEveryDraw(product(label.apply(weights, z, mode), weights, 'fusion.dense1.labelKernel'), fromImage)
    const fused = relu(mode.normalize(joined, norms.fusion1))
    return relu(mode.normalize(product(fused, weights, 'fusion.dense2.kernel'), norms.fusion2))
  }

  return {
    parameters: [...hiddenParameters, ...dense('fusion.dense3', hiddenSize, numClasses)],
    hiddenParameters,
    hiddenSize,
    normLayers,
    dropoutLayers: [...image.dropoutLayers, ...label.dropoutLayers],
    // The biases before a batch norm, and the offsets of the two that end the paths: fusion.norm1 centres the sum of both.
    removedByNorm: [...normLayers.map(({ bias }) => bias), 'image.norm.offset', `${label.lastNorm}.offset`],
    multiplyAdds: image.multiplyAdds + label.multiplyAdds + features * (2 * features + hiddenSize) + hiddenSize * numClasses,
    hidden,
    logits: (weights, images, z, mode) => linear(hidden(weights, images, z, mode), weights, 'fusion.dense3'),
  }
}

interface LabelPath extends LatentPath {
  /** name of the batch norm that ends it */
  readonly lastNorm: string
}

/** FC → BN → ReLU = h, then h + [FC → BN → ReLU → FC → BN](h). */
function vectorLabelPath({ features, embeddingDim }: BlockConfig): LabelPath {
  const norms = {
    label1: normAfter('label', 1, features),
    label2: normAfter('label', 2, features),
    label3: normAfter('label', 3, features),
  }
  return {
    parameters: [
      ...dense('label.dense1', embeddingDim, features),
      ...norm('label.norm1', features),
      ...dense('label.dense2', features, features),
      ...norm('label.norm2', features),
      ...dense('label.dense3', features, features),
      ...norm('label.norm3', features),
    ],
    normLayers: Object.values(norms),
    dropoutLayers: [],
    lastNorm: 'label.norm3',
    multiplyAdds: features * (embeddingDim + 2 * features),
    apply(weights, z, mode) {
      const h = relu(mode.normalize(product(z, weights, 'label.dense1.kernel'), norms.label1))
      const inner = relu(mode.normalize(product(h, weights, 'label.dense2.kernel'), norms.label2))
      return add(h, mode.normalize(product(inner, weights, 'label.dense3.kernel'), norms.label3))
    },
  }
}

function imageLabelPath(config: BlockConfig): LabelPath {
  return { ...latentImagePath(config, 'batch-norm'), lastNorm: 'label.norm' }
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

function normAfter(path: string, index: number, size: number, kernels = ['kernel']): NormLayer {
  return {
    name: `${path}.norm${index}`,
    size,
    kernels: kernels.map((kernel) => `${path}.dense${index}.${kernel}`),
    bias: `${path}.dense${index}.bias`,
  }
}
