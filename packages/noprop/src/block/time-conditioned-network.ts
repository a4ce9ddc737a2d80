/** @file The one network of continuous time, û(z, x, t) or v(z, x, t): the discrete block with a third path for the time, and without batch norm. */

import { add, type NamedTensorMap, relu, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core'
import type { BlockMode } from './block-mode.ts'
import type { BlockConfig } from './denoising-block.ts'
import type { DropoutLayer } from './dropout.ts'
import { imagePath, latentImagePath, type LatentPath } from './image-path.ts'
import { addToEveryDraw, linear, product } from './linear.ts'
import { dense, type ParameterSpec } from './parameters.ts'
import { timeEmbeddingSize } from './time-embedding.ts'

export interface TimeConditionedNetwork {
  /** Weights that `imagePart` reads. */
  readonly imageParameters: readonly ParameterSpec[]
  /** Weights that `timePart` and `logits` read. */
  readonly stepParameters: readonly ParameterSpec[]
  readonly dropoutLayers: readonly DropoutLayer[]
  /** multiply-adds for one image, one latent and one time */
  readonly multiplyAdds: number
  /** width of the parts */
  readonly features: number
  /** What images [batch, height, width, channels] add to the layer that joins the paths, however many latents and times follow: [batch, features]. */
  imagePart(weights: NamedTensorMap, images: Tensor4D, mode: BlockMode): Tensor2D
  /** What time embeddings [times, 64] add to it: [times, features]. */
  timePart(weights: NamedTensorMap, embeddings: Tensor2D): Tensor2D
  /**
   * @param imagePart [batch, features]
   * @param timePart  [draws·batch, features], or [1, features] where all latents have the same time
   * @param z         latents [draws·batch, embeddingDim], draw by draw: row k·batch + i belongs to image i
   * @returns         class logits [draws·batch, numClasses]
   */
  logits(weights: NamedTensorMap, parts: { imagePart: Tensor2D; timePart: Tensor2D }, z: Tensor2D, mode: BlockMode): Tensor2D
}

/**
 * The network of NoProp-CT and NoProp-FM (Fig. 6 in v1, Fig. 5 in v2): image path, label path and time path, each ending in ReLU, joined and read out.
 * As in the discrete block, the layer that reads the concatenated paths is a sum of products, one kernel for each path.
 */
export function timeConditionedNetwork(config: BlockConfig): TimeConditionedNetwork {
  const { features, numClasses } = config
  const image = imagePath({ ...config, ending: 'relu' })
  const label = config.latentIsImage ? latentImagePath(config, 'relu') : vectorLabelPath(config)
  const hidden = Math.floor(features / 2)
  const joining = { bound: 1 / Math.sqrt(3 * features) }
  const kernel = (path: string): ParameterSpec => ({ name: `fusion.dense1.${path}Kernel`, shape: [features, features], initial: joining })

  return {
    imageParameters: [...image.parameters, kernel('image')],
    stepParameters: [
      ...label.parameters,
      kernel('label'),
      ...dense('time.dense', timeEmbeddingSize, features),
      kernel('time'),
      { name: 'fusion.dense1.bias', shape: [features], initial: joining },
      ...dense('fusion.dense2', features, hidden),
      ...dense('fusion.dense3', hidden, numClasses),
    ],
    dropoutLayers: [...image.dropoutLayers, ...label.dropoutLayers],
    multiplyAdds: image.multiplyAdds + label.multiplyAdds + features * (timeEmbeddingSize + 3 * features + hidden) + hidden * numClasses,
    features,
    imagePart: (weights, images, mode) => product(image.apply(weights, images, mode), weights, 'fusion.dense1.imageKernel'),
    timePart(weights, embeddings) {
      const hiddenTime = relu(linear(embeddings, weights, 'time.dense'))
      // The bias of the joining layer, which is added once, is added here: to the smallest of the three where all latents have the same time.
      return add(product(hiddenTime, weights, 'fusion.dense1.timeKernel'), weights['fusion.dense1.bias']!)
    },
    logits(weights, { imagePart, timePart }, z, mode) {
      const fromLabel = product(label.apply(weights, z, mode), weights, 'fusion.dense1.labelKernel')
      const fused = relu(addToEveryDraw(add(fromLabel, timePart), imagePart))
      return linear(relu(linear(fused, weights, 'fusion.dense2')), weights, 'fusion.dense3')
    },
  }
}

function vectorLabelPath({ features, embeddingDim }: BlockConfig): LatentPath {
  return {
    parameters: dense('label.dense', embeddingDim, features),
    normLayers: [],
    dropoutLayers: [],
    multiplyAdds: features * embeddingDim,
    apply: (weights, z) => relu(linear(z, weights, 'label.dense')),
  }
}
