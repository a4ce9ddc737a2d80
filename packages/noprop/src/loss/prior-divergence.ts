import { add, div, log1p, mul, type Scalar, sub, sum, type Tensor1D, type Tensor2D } from '@tensorflow/tfjs-core'

/**
 * KL(q(z_0|y) ‖ N(0, I)) = ½·[ᾱ_0·‖u_y‖² − d·ᾱ_0 − d·ln(1 − ᾱ_0)], averaged over the batch: the second term of Eq. 9.
 *
 * @param labelEmbedding u_y, [batch, embeddingDim]
 * @param snr            SNR(0), [1]
 */
export function priorDivergence(labelEmbedding: Tensor2D, snr: Tensor1D): Scalar {
  const [batch, dimension] = labelEmbedding.shape
  const alphaBar = div(snr, add(snr, 1))
  const squaredNorm = mul(sum(mul(labelEmbedding, labelEmbedding)), 1 / batch)
  // −ln(1 − ᾱ) = ln(1 + SNR). It and ᾱ cancel but for ᾱ²/2, so neither may be rounded to the precision of 1.
  const ofNoise = mul(sub(log1p(snr), alphaBar), dimension)
  return mul(sum(add(mul(squaredNorm, alphaBar), ofNoise)), 0.5) as Scalar
}
