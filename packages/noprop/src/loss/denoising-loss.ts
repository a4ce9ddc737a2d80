import { mul, reshape, type Scalar, squaredDifference, sum, type Tensor, type Tensor2D } from '@tensorflow/tfjs-core'
import type { NoiseSchedule } from '../schedule/noise-schedule.ts'

/**
 * Weight of block t in Eq. 8, (T/2)·η·(SNR(t) − SNR(t−1)). Each block minimises its own term alone; the KL term of Eq. 8 is 0 where ᾱ_0 = 0,
 * and the cross-entropy belongs to the classifier head.
 */
export function blockLossWeight(schedule: NoiseSchedule, eta: number, t: number): number {
  return (schedule.numTimesteps / 2) * eta * schedule.snrGain(t)
}

/**
 * ‖û − u_y‖², summed over the embedding dimension as the paper writes it, and averaged over draws and batch.
 *
 * @param estimate       û, [draws·batch, embeddingDim], draw by draw
 * @param labelEmbedding u_y, [batch, embeddingDim]
 */
export function denoisingLoss(estimate: Tensor2D, labelEmbedding: Tensor2D): Scalar {
  const [batch, dimension] = labelEmbedding.shape
  const byDraw = reshape(estimate, [-1, batch, dimension])
  return mul(sum(squaredDifference(byDraw, labelEmbedding)), 1 / estimate.shape[0]) as Scalar
}

/** ‖x − y‖² of every row: x [draws·batch, d], draw by draw, against y [batch, d] or [draws, batch, d]: [draws, batch]. */
export function squaredDistances(x: Tensor2D, y: Tensor): Tensor2D {
  const [batch, dimension] = y.shape.slice(-2) as [number, number]
  return sum(squaredDifference(reshape(x, [-1, batch, dimension]), y), 2)
}
