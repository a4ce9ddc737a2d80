import type { ModelConfig } from '@noprop/noprop'

/** Shapes of images that the paper trains its DT block on. */
export const imageShapes = {
  mnist: [28, 28, 1],
  'cifar-10': [32, 32, 3],
} as const
export type ImageShape = keyof typeof imageShapes

export const batchSize = 128
const channels = [32, 64, 128] as const
const features = 256
const numClasses = 10

export function paperConfig(shape: ImageShape): ModelConfig {
  return {
    method: 'noprop-dt',
    embedding: 'one-hot',
    embeddingDim: numClasses,
    embeddingInit: 'auto',
    head: 'softmax',
    radialSigma: 1,
    blocks: 10,
    channels,
    features,
    dropout: 0.2,
    eta: 0.1,
    optimizer: 'adamw',
    weightDecay: 1e-3,
    noiseSamples: 1,
    inferenceSteps: 10,
    sampler: 'eq3',
    fmSigma: 0,
    emaDecay: 0,
    labelSmoothing: 0,
    imageShape: imageShapes[shape],
    numClasses,
  }
}

export interface StepFlops {
  /** As a textbook counts the block as drawn: three times the forward pass, every pixel of every layer. */
  readonly asDrawn: number
  /** What a step has to multiply: without the rows and columns that the poolings drop, and without the gradients of images and latents, which nobody asks for. */
  readonly needed: number
}

/** Floating-point operations (2 × multiply-adds) of the matrix products and convolutions of one step. */
export function stepFlops(shape: ImageShape): StepFlops {
  const [side, , colors] = imageShapes[shape]
  const pooled1 = Math.floor((side - 2) / 2)
  const drawn = { conv1: side - 2, conv2: pooled1 - 2, conv3: pooled1 - 4, flat: Math.floor((pooled1 - 4) / 2) }
  // from the last layer back: the sides that reach a feature
  const { flat } = drawn
  const reached = { conv1: 2 * (2 * flat + 4), conv2: 2 * flat + 2, conv3: 2 * flat, flat }
  const withoutGradient = 9 * colors * channels[0] * reached.conv1 ** 2 + features * numClasses
  return {
    asDrawn: 2 * batchSize * 3 * multiplyAdds(colors, drawn),
    needed: 2 * batchSize * (3 * multiplyAdds(colors, reached) - withoutGradient),
  }
}

interface Sides {
  readonly conv1: number
  readonly conv2: number
  readonly conv3: number
  /** after the last pooling */
  readonly flat: number
}

/** Of the forward pass for one image. */
function multiplyAdds(colors: number, { conv1, conv2, conv3, flat }: Sides): number {
  const [c1, c2, c3] = channels
  const hidden = features / 2
  const image = 9 * (conv1 ** 2 * colors * c1 + conv2 ** 2 * c1 * c2 + conv3 ** 2 * c2 * c3) + flat ** 2 * c3 * features
  const label = numClasses * features + 2 * features ** 2
  return image + label + 2 * features ** 2 + features * hidden + hidden * numClasses
}
