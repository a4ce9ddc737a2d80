/** @file The paper's block a second time, layer by layer in the paper's order, without any of the rearrangements of the one that is trained. */

import * as tf from '@tensorflow/tfjs-core'

/** Present in training: batch norm then takes the statistics of the batch, and leaves them in `statistics`. */
export interface PlainTraining {
  /** 0 and 1, for image.dropout1 … image.dropout3 */
  readonly masks: tf.NamedTensorMap
  /** share of activations that dropout drops */
  readonly rate: number
  /** by norm layer: mean and mean squared deviation over the rows, biases included */
  readonly statistics: Record<string, { mean: tf.Tensor; variance: tf.Tensor }>
}

/** Class logits of one block; the arguments are those of `plainHidden`. */
export function plainLogits(state: tf.NamedTensorMap, images: tf.Tensor4D, z: tf.Tensor2D, training?: PlainTraining): tf.Tensor2D {
  const last = plainHidden(state, images, z, training)
  return tf.add(tf.matMul(last, state['fusion.dense3.kernel'] as tf.Tensor2D), state['fusion.dense3.bias']!)
}

/**
 * The last hidden layer of one block.
 *
 * @param state  weights and running statistics of the block, as its training unit keeps them
 * @param images [batch, 14, 14, channels]: a size of which the poolings cut off nothing
 * @param z      [draws·batch, embeddingDim], draw by draw
 */
export function plainHidden(state: tf.NamedTensorMap, images: tf.Tensor4D, z: tf.Tensor2D, training?: PlainTraining): tf.Tensor2D {
  const linear = (x: tf.Tensor, kernel: tf.Tensor, bias: string) => tf.add(tf.matMul(x as tf.Tensor2D, kernel as tf.Tensor2D), state[bias]!)
  const dense = (x: tf.Tensor, layer: string) => linear(x, state[`${layer}.kernel`]!, `${layer}.bias`)
  const convolve = (x: tf.Tensor, layer: string) =>
    tf.add(tf.conv2d(x as tf.Tensor4D, state[`${layer}.kernel`] as tf.Tensor4D, 1, 'valid'), state[`${layer}.bias`]!)
  const pool = (x: tf.Tensor) => tf.maxPool(x as tf.Tensor4D, 2, 2, 'valid')
  const dropout = (x: tf.Tensor, layer: string) =>
    training ? tf.div(tf.mul(x, tf.cast(training.masks[layer]!, 'float32')), 1 - training.rate) : x
  const norm = (x: tf.Tensor, layer: string) => {
    const mean = training ? tf.mean(x, 0) : state[`batchNorm/${layer}.mean`]!
    const variance = training ? tf.mean(tf.square(tf.sub(x, mean)), 0) : state[`batchNorm/${layer}.variance`]!
    if (training) training.statistics[layer] = { mean, variance }
    const normal = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)))
    return tf.add(tf.mul(normal, state[`${layer}.scale`]!), state[`${layer}.offset`]!)
  }

  const layer1 = dropout(pool(tf.relu(convolve(images, 'image.conv1'))), 'image.dropout1')
  const layer2 = dropout(tf.relu(convolve(layer1, 'image.conv2')), 'image.dropout2')
  const layer3 = dropout(pool(tf.relu(convolve(layer2, 'image.conv3'))), 'image.dropout3')
  const features = norm(dense(tf.reshape(layer3, [images.shape[0], -1]), 'image.dense'), 'image.norm')

  const h = tf.relu(norm(dense(z, 'label.dense1'), 'label.norm1'))
  const inner = tf.relu(norm(dense(h, 'label.dense2'), 'label.norm2'))
  const label = tf.add(h, norm(dense(inner, 'label.dense3'), 'label.norm3'))

  const everyDraw = tf.tile(features as tf.Tensor2D, [z.shape[0] / images.shape[0], 1])
  const kernel = tf.concat([state['fusion.dense1.imageKernel']!, state['fusion.dense1.labelKernel']!], 0)
  const fused = tf.relu(norm(linear(tf.concat([everyDraw, label], 1), kernel, 'fusion.dense1.bias'), 'fusion.norm1'))
  return tf.relu(norm(dense(fused, 'fusion.dense2'), 'fusion.norm2')) as tf.Tensor2D
}
