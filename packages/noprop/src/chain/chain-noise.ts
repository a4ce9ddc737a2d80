import { fillNormal, purposes, streamKey } from '../random/counter-random.ts'

interface ChainNoiseOptions {
  readonly seed: number
  /** one number per image that names its draws */
  readonly keys: readonly number[]
  /** true: with the noise of Eq. 3 */
  readonly samples: readonly boolean[]
  readonly blocks: number
  readonly embeddingDim: number
}

/**
 * z_0 and ε_1…ε_T of every image and sample, as `start` [samples·batch, dim] and `noise` [blocks, samples·batch, dim].
 * They depend on the key of the image and not on its batch. The n-th noisy sample draws the same wherever it stands among the noise-free ones.
 */
export function drawChainNoise({ seed, keys, samples, blocks, embeddingDim }: ChainNoiseOptions): {
  start: Float32Array
  noise: Float32Array
} {
  const rows = samples.length * keys.length
  const start = new Float32Array(rows * embeddingDim)
  const noise = new Float32Array(blocks * rows * embeddingDim)
  let noisyOrdinal = 0
  samples.forEach((isNoisy, sample) => {
    const ordinal = isNoisy ? noisyOrdinal++ : 0
    keys.forEach((key, i) => {
      const row = sample * keys.length + i
      fillNormal(start, streamKey(seed, purposes.chainStart, key, ordinal), row * embeddingDim, embeddingDim)
      if (!isNoisy) return
      for (let t = 1; t <= blocks; t++) {
        const offset = ((t - 1) * rows + row) * embeddingDim
        fillNormal(noise, streamKey(seed, purposes.chainNoise, key, ordinal, t), offset, embeddingDim)
      }
    })
  })
  return { start, noise }
}
