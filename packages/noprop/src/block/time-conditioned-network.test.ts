import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import { expectAllClose } from '../../test/expect-close.ts'
import { frozenMode } from './block-mode.ts'
import type { BlockConfig } from './denoising-block.ts'
import { initialWeights } from './parameters.ts'
import { timeConditionedNetwork } from './time-conditioned-network.ts'
import { fillTimeEmbeddings, timeEmbeddingSize } from './time-embedding.ts'

const config: BlockConfig = {
  imageShape: [14, 14, 1],
  channels: [2, 3, 4],
  features: 8,
  embeddingDim: 5,
  numClasses: 3,
  latentIsImage: false,
}

function weightsOf(blockConfig: BlockConfig) {
  const { imageParameters, stepParameters } = timeConditionedNetwork(blockConfig)
  const parameters = [...imageParameters, ...stepParameters]
  const values = initialWeights(parameters, 3, 1)
  // Larger than the first values, so that every part of the network has its share in the result.
  return Object.fromEntries(
    parameters.map(({ name, shape }) => [
      name,
      tf.tensor(
        values[name]!.map((x) => 3 * x),
        [...shape],
      ),
    ]),
  )
}

function tensor(shape: number[], f: (i: number) => number) {
  return tf.tensor(
    Float32Array.from({ length: shape.reduce((product, n) => product * n, 1) }, (_, i) => f(i)),
    shape,
  )
}

describe('the network of continuous time', () => {
  it.each([false, true])('is the function that the paper draws, with concatenated paths; latents are images: %s', (latentIsImage) => {
    tf.tidy(() => {
      const blockConfig = { ...config, latentIsImage, embeddingDim: latentIsImage ? 196 : 5 }
      const network = timeConditionedNetwork(blockConfig)
      const w = weightsOf(blockConfig)
      const images = tensor([2, 14, 14, 1], Math.sin) as tf.Tensor4D
      // Two draws for each of two images, each latent with a time of its own.
      const z = tensor([4, blockConfig.embeddingDim], (i) => Math.cos(1.3 * i)) as tf.Tensor2D
      const embeddings = new Float32Array(4 * timeEmbeddingSize)
      fillTimeEmbeddings(embeddings, [0.1, 0.4, 0.6, 0.9])
      const times = tf.tensor2d(embeddings, [4, timeEmbeddingSize])

      const linear = (x: tf.Tensor, kernel: tf.Tensor, bias: string) => tf.add(tf.matMul(x as tf.Tensor2D, kernel as tf.Tensor2D), w[bias]!)
      const dense = (x: tf.Tensor, layer: string) => linear(x, w[`${layer}.kernel`]!, `${layer}.bias`)
      const path = (x: tf.Tensor4D, prefix: string) => {
        const convolve = (y: tf.Tensor4D, layer: string) =>
          tf.relu(
            tf.add(tf.conv2d(y, w[`${prefix}.${layer}.kernel`] as tf.Tensor4D, 1, 'valid'), w[`${prefix}.${layer}.bias`]!),
          ) as tf.Tensor4D
        const pool = (y: tf.Tensor4D) => tf.maxPool(y, 2, 2, 'valid')
        const last = pool(convolve(convolve(pool(convolve(x, 'conv1')), 'conv2'), 'conv3'))
        return tf.relu(dense(tf.reshape(last, [x.shape[0], -1]), `${prefix}.dense`))
      }
      const image = tf.tile(path(images, 'image'), [2, 1])
      const label = latentIsImage ? path(tf.reshape(z, [4, 14, 14, 1]), 'label') : tf.relu(dense(z, 'label.dense'))
      const time = tf.relu(dense(times, 'time.dense'))
      const kernels = ['image', 'label', 'time'].map((name) => w[`fusion.dense1.${name}Kernel`]!)
      const fused = tf.relu(linear(tf.concat([image, label, time], 1), tf.concat(kernels, 0), 'fusion.dense1.bias'))
      const expected = dense(tf.relu(dense(fused, 'fusion.dense2')), 'fusion.dense3')

      const mode = frozenMode(w)
      const parts = { imagePart: network.imagePart(w, images, mode), timePart: network.timePart(w, times) }
      const found = network.logits(w, parts, z, mode)
      expectAllClose(found.dataSync(), expected.dataSync(), { absolute: 1e-5 })

      // One time for all latents, as in the chain.
      const sameTime = { ...parts, timePart: network.timePart(w, tf.slice(times, [1, 0], [1, -1])) }
      const repeated = { ...parts, timePart: network.timePart(w, tf.tile(tf.slice(times, [1, 0], [1, -1]), [4, 1])) }
      expectAllClose(network.logits(w, sameTime, z, mode).dataSync(), network.logits(w, repeated, z, mode).dataSync())
    })
  })
})

describe('the embedding of a time', () => {
  it('is sines and cosines of a thousand times the time, from angle 1 to nearly 1/10000 of it', () => {
    const found = new Float32Array(2 * timeEmbeddingSize)
    fillTimeEmbeddings(found, [0, 0.25])
    expect(Array.from(found.subarray(0, 64))).toEqual([...new Array<number>(32).fill(0), ...new Array<number>(32).fill(1)])
    const row = found.subarray(64)
    const frequency = (i: number) => 10_000 ** (-i / 32)
    for (let i = 0; i < 32; i++) {
      expect(row[i]).toBeCloseTo(Math.sin(250 * frequency(i)), 6)
      expect(row[32 + i]).toBeCloseTo(Math.cos(250 * frequency(i)), 6)
    }
  })

  it('tells every step of a chain of 1000 from its neighbour', () => {
    const found = new Float32Array(1001 * timeEmbeddingSize)
    fillTimeEmbeddings(
      found,
      Array.from({ length: 1001 }, (_, i) => i / 1000),
    )
    for (let i = 1; i <= 1000; i++) {
      const [before, after] = [i - 1, i].map((row) => found.subarray(row * timeEmbeddingSize, (row + 1) * timeEmbeddingSize))
      expect(Math.hypot(...after!.map((x, j) => x - before![j]!))).toBeGreaterThan(0.5)
    }
  })
})
