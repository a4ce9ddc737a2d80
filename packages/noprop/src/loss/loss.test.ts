import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import { expectAllClose } from '../../test/expect-close.ts'
import { indicatorRows } from '../embedding/one-hot.ts'
import { registerKernelGradients } from '../gradient/kernel-gradients.ts'
import { fillNormal, purposes, streamKey } from '../random/counter-random.ts'
import { cosineSchedule } from '../schedule/cosine-schedule.ts'
import { accuracy } from './accuracy.ts'
import { crossEntropy } from './cross-entropy.ts'
import { blockLossWeight, denoisingLoss } from './denoising-loss.ts'
import { latentScales, sampleLatent } from './latent.ts'
import { priorDivergence } from './prior-divergence.ts'

registerKernelGradients()

const value = (tensor: tf.Tensor) => tensor.dataSync()[0]!

describe('the denoising loss', () => {
  it('sums over the embedding and averages over draws and batch', () => {
    tf.tidy(() => {
      const labels = tf.tensor2d([1, 0, 0, 1], [2, 2])
      // Squared distances of the four rows: 0.5, 0, 2, 0.08.
      const estimates = tf.tensor2d([0.5, 0.5, 0, 1, 0, 1, 0.2, 0.8], [4, 2])
      expect(value(denoisingLoss(estimates, labels))).toBeCloseTo((0.5 + 0 + 2 + 0.08) / 4, 6)
    })
  })

  it('is the KL divergence of a step when weighted with η = 1, by Monte Carlo', () => {
    // KL(q(z_t | z_{t−1}, y) ‖ p(z_t | z_{t−1}, x)) of two normals with equal variance c whose means differ by a·(u − û).
    const schedule = cosineSchedule(5)
    const [u, estimate] = [
      [1, 0, 0],
      [0.6, 0.3, 0.1],
    ]
    const squared = u!.reduce((sum, x, i) => sum + (x - estimate![i]!) ** 2, 0)
    for (let t = 1; t <= 5; t++) {
      const { a, c } = schedule.chainCoefficients(t)
      const draws = 20_000
      const noise = new Float32Array(3 * draws)
      fillNormal(noise, streamKey(1, purposes.trainingNoise, t))
      let sum = 0
      for (let i = 0; i < noise.length; i++) {
        const sample = Math.sqrt(c) * noise[i]!
        const shift = a * (u![i % 3]! - estimate![i % 3]!)
        sum += ((sample + shift) ** 2 - sample ** 2) / (2 * c)
      }
      const kl = 0.5 * schedule.snrGain(t) * squared
      const deviation = Math.sqrt((2 * kl) / draws)
      expect(Math.abs(sum / draws - kl)).toBeLessThan(5 * deviation)
      expect((blockLossWeight(schedule, 1, t) * squared) / schedule.numTimesteps).toBeCloseTo(kl, 12)
    }
  })
})

describe('cross-entropy', () => {
  const logits = [2, -1, 0.5, 0, 3, -2]

  it('is the mean of −log p(y)', () => {
    tf.tidy(() => {
      const p = (row: number[], y: number) => Math.exp(row[y]!) / row.reduce((sum, x) => sum + Math.exp(x), 0)
      const expected = -(Math.log(p(logits.slice(0, 3), 0)) + Math.log(p(logits.slice(3), 2))) / 2
      const targets = indicatorRows(tf.tensor1d([0, 2], 'int32'), 3)
      expect(value(crossEntropy(tf.tensor2d(logits, [2, 3]), targets))).toBeCloseTo(expected, 5)
    })
  })

  it('has the gradient (p − target)/rows', () => {
    tf.tidy(() => {
      const targets = indicatorRows(tf.tensor1d([1], 'int32'), 3)
      const x = tf.tensor2d(logits, [2, 3])
      const found = tf.grad((input) => crossEntropy(input as tf.Tensor2D, targets))(x)
      const expected = tf.div(tf.sub(tf.softmax(x), targets), 2)
      expectAllClose(found.dataSync(), expected.dataSync())
    })
  })

  it('stays finite where a probability underflows, and so does its gradient', () => {
    tf.tidy(() => {
      const targets = indicatorRows(tf.tensor1d([1], 'int32'), 2)
      const x = tf.tensor2d([500, -500], [1, 2])
      expect(Number.isFinite(value(crossEntropy(x, targets)))).toBe(true)
      expectAllClose(
        tf
          .grad((input) => crossEntropy(input as tf.Tensor2D, targets))(x)
          .dataSync(),
        [1, -1],
      )
    })
  })
})

describe('the latent', () => {
  it('puts the same image in the same place of every draw', () => {
    tf.tidy(() => {
      const u = tf.tensor2d([1, 0, 0, 1], [2, 2])
      const noise = tf.tensor3d([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2])
      const z = sampleLatent(u, noise, { signal: tf.scalar(10), noise: tf.scalar(1) })
      expect(z.shape).toEqual([4, 2])
      expect(Array.from(z.dataSync())).toEqual([11, 2, 3, 14, 15, 6, 7, 18])
    })
  })
})

describe('the divergence of z_0 from the prior', () => {
  it.each([0.0025, 0.2, 3])('is the mean of its log-ratio over draws of z_0, for SNR(0) = %f', (snr) => {
    const u = [0.8, -1.1, 0.5]
    const found = tf.tidy(() => value(priorDivergence(tf.tensor2d(u, [1, 3]), tf.tensor1d([snr]))))
    const { signal, noise } = tf.tidy(() => {
      const scales = latentScales(tf.scalar(snr))
      return { signal: value(scales.signal), noise: value(scales.noise) }
    })
    expect(signal ** 2 + noise ** 2).toBeCloseTo(1, 6)
    expect(signal ** 2 / noise ** 2 / snr).toBeCloseTo(1, 5)

    const draws = 50_000
    const epsilon = new Float32Array(3 * draws)
    fillNormal(epsilon, streamKey(2, purposes.trainingNoise))
    // log q − log p of each element, with q = N(signal·u, noise²) and p = N(0, 1)
    const logRatios = Array.from({ length: draws }, (_, row) =>
      u.reduce((sum, x, i) => {
        const e = epsilon[3 * row + i]!
        return sum - Math.log(noise) - e ** 2 / 2 + (signal * x + noise * e) ** 2 / 2
      }, 0),
    )
    const mean = logRatios.reduce((sum, x) => sum + x, 0) / draws
    const variance = logRatios.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws
    expect(Math.abs(mean - found)).toBeLessThan(4 * Math.sqrt(variance / draws))
  })

  it('keeps its digits where next to nothing of the label is left, and is the mean over the batch', () => {
    const snr = 1e-3
    const found = tf.tidy(() => value(priorDivergence(tf.tensor2d([0, 0, 1, 2], [2, 2]), tf.tensor1d([snr]))))
    const alphaBar = snr / (1 + snr)
    expect(found / (0.5 * (alphaBar * 2.5 - 2 * alphaBar - 2 * Math.log1p(-alphaBar)))).toBeCloseTo(1, 4)
    const ofNoise = tf.tidy(() => value(priorDivergence(tf.zeros([1, 2]), tf.tensor1d([snr]))))
    expect(ofNoise / (snr ** 2 / 2)).toBeCloseTo(1, 2)
  })
})

describe('accuracy', () => {
  it('counts rows of every draw whose largest logit is at the label', () => {
    tf.tidy(() => {
      const logits = tf.tensor2d([1, 2, 5, 0, 3, 1, 0, 9], [4, 2])
      expect(value(accuracy(logits, tf.tensor1d([1, 0], 'int32')))).toBeCloseTo(2 / 4, 6)
    })
  })
})
