/** What the units really read while they train: the numbers that stepInputs hands to their programs. */

import { describe, expect, it } from 'vitest'
import { buildModel } from '../src/index.ts'
import { goldenT10 } from './golden-schedule.ts'
import { syntheticBatch, tinyConfig } from './run-program.ts'

const classes = 10
const config = { ...tinyConfig, blocks: 10, numClasses: classes, dropout: 0 }
const { units } = buildModel(config)
const context = { seed: 1, step: 0, learningRate: 1e-3, batches: 50 }
/** The head reads the last latent, a block that of the step before it. */
const latentOf = (unit: number) => (unit === 0 ? 'last' : 'latent')

/** ᾱ_0 … ᾱ_10 */
const alphaBar = [0, ...goldenT10.map(([, value]) => value)]
const timesteps = goldenT10.map(([t]) => t)

function expectScales(unit: number, timestep: number) {
  const inputs = units[unit]!.stepInputs(syntheticBatch(config, 2), context)
  // The table has six decimals of ᾱ, which leave five of its root.
  expect(inputs[`${latentOf(unit)}.signal`]![0]).toBeCloseTo(Math.sqrt(alphaBar[timestep]!), 5)
  expect(inputs[`${latentOf(unit)}.noise`]![0]).toBeCloseTo(Math.sqrt(1 - alphaBar[timestep]!), 5)
}

describe('the golden schedule', () => {
  it.each(timesteps)('gives block %i the latent of the step before it', (t) => expectScales(t, t - 1))

  it('gives the head the latent of the last step', () => expectScales(0, 10))

  it.each(goldenT10.map((row) => [row[0], row[8]] as const))(
    'weighs the loss of block %i with (T/2)·η·ΔSNR = %f at η = 0.1',
    (t, weight) => {
      for (const eta of [0.1, 1]) {
        const unit = buildModel({ ...config, eta }).units[t]!
        const found = unit.stepInputs(syntheticBatch(config, 2), context)['lossWeight']![0]!
        expect((found * 0.1) / eta).toBeCloseTo(weight, 5)
      }
    },
  )
})

describe('the latent of a training step', () => {
  const batchSize = 2000
  const steps = 10
  const batch = syntheticBatch(config, batchSize)

  /** Rows √ᾱ·u_y + √(1 − ᾱ)·ε with their labels, from the inputs of ten steps. */
  function latents(unit: number): { z: Float64Array; label: number }[] {
    return Array.from({ length: steps }, (_, step) => {
      const inputs = units[unit]!.stepInputs(batch, { ...context, step })
      const [signal, noise] = [inputs['latent.signal']![0]!, inputs['latent.noise']![0]!]
      return Array.from(inputs['labels']!, (label, row) => ({
        label,
        z: Float64Array.from(
          { length: classes },
          (__, k) => noise * inputs['latent.epsilon']![row * classes + k]! + (k === label ? signal : 0),
        ),
      }))
    }).flat()
  }

  it('is N(0, I) for block 1, whatever the label', () => {
    const rows = latents(1)
    for (const values of [rows.flatMap(({ z }) => [...z]), rows.map(({ z, label }) => z[label]!)]) {
      const mean = values.reduce((sum, x) => sum + x, 0) / values.length
      const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length
      expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(values.length))
      expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / values.length))
    }
  })

  // Accuracy of the best guess of y from z_{t−1} alone, in percent, computed apart from this code.
  it.each([10, 12, 15, 19, 23, 30, 39, 52, 72, 94].map((percent, i) => [i + 1, percent] as const))(
    'tells block %i the label in about %i %% of the cases',
    (t, percent) => {
      const rows = latents(t)
      const correct = rows.filter(({ z, label }) => z.indexOf(Math.max(...z)) === label).length
      expect(Math.abs((100 * correct) / rows.length - percent)).toBeLessThan(1.5)
    },
  )
})
