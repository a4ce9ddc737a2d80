/** What of a configuration and a dataset decides how many parameters a network has. */
export interface NetworkShape {
  channels: readonly number[]
  /** width of the fully connected layers */
  features: number
  /** [height, width, channels] */
  imageShape: readonly number[]
  /** classes; with a one-hot embedding also the dimension of the embedding */
  classes: number
}

/**
 * Parameters of one DT block: three unpadded 3×3 convolutions with two halving max-pools, the label path with a residual pair, and
 * the fusion. Biases and the scale and shift of batch norm are counted. [Fig. 6 of the paper (v1), Fig. 5 (v2); 919,946 on MNIST]
 *
 * @returns 0 where the image is too small for the convolutions
 */
export function blockParameters({ channels, features: f, imageShape, classes }: NetworkShape): number {
  const [c1 = 0, c2 = 0, c3 = 0] = channels
  const [height = 0, width = 0, depth = 0] = imageShape
  const side = (length: number) => Math.floor((Math.floor((length - 2) / 2) - 4) / 2)
  const pixels = Math.max(0, side(height)) * Math.max(0, side(width))
  if (pixels === 0) return 0
  const convolution = (from: number, to: number) => 9 * from * to + to
  const dense = (from: number, to: number) => from * to + to
  const batchNorm = (size: number) => 2 * size
  const half = Math.floor(f / 2)

  const image = convolution(depth, c1) + convolution(c1, c2) + convolution(c2, c3) + dense(pixels * c3, f) + batchNorm(f)
  const label = dense(classes, f) + batchNorm(f) + 2 * (dense(f, f) + batchNorm(f))
  const fusion = dense(2 * f, f) + batchNorm(f) + dense(f, half) + batchNorm(half) + dense(half, classes)
  return image + label + fusion
}

/** Parameters of the classifier head, a linear layer that all blocks share. */
export function headParameters(classes: number): number {
  return classes * classes + classes
}
