import { add, div, mul, reshape, sqrt, type Tensor, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core'

/** √ᾱ_t and √(1 − ᾱ_t): the share of the label and of the noise in z_t. Scalars, or [draws, batch, 1] where every latent has a time of its own. */
export interface LatentScales {
  readonly signal: Tensor
  readonly noise: Tensor
}

/** The shares under a signal-to-noise ratio: ᾱ = SNR/(1 + SNR) and 1 − ᾱ = 1/(1 + SNR). */
export function latentScales(snr: Tensor): LatentScales {
  const noise = sqrt(div(1, add(snr, 1)))
  return { signal: mul(sqrt(snr), noise), noise }
}

/**
 * z_t drawn from its marginal, q(z_t | y) = N(√ᾱ_t·u_y, (1 − ᾱ_t)·I): no other block takes part.
 *
 * @param labelEmbedding u_y, [batch, embeddingDim]
 * @param noise          ε ~ N(0, I), [draws, batch, embeddingDim]
 * @returns              [draws·batch, embeddingDim], draw by draw
 */
export function sampleLatent(labelEmbedding: Tensor2D, noise: Tensor3D, scales: LatentScales): Tensor2D {
  const z = add(mul(noise, scales.noise), mul(labelEmbedding, scales.signal))
  return reshape(z, [-1, noise.shape[2]])
}
