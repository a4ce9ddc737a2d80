import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { TimestepOutOfRangeError } from '../errors.ts'
import { blockLossWeight } from '../loss/denoising-loss.ts'
import { cosineSchedule } from './cosine-schedule.ts'

// Every schedule listed here must have every property below.
const schedules = { cosine: cosineSchedule }

// t, ᾱ_t, α_t, SNR, a_t, b_t, c_t, SNR(t) − SNR(t−1), (T/2)·0.1·(SNR(t) − SNR(t−1)); computed apart from this code, rounded to six decimals.
const goldenT10 = [
  [1, 0.019939, 0.255085, 0.020344, 0.141204, 0.0, 0.980061, 0.020344, 0.010172],
  [2, 0.078164, 0.459698, 0.084792, 0.212499, 0.475054, 0.700659, 0.064448, 0.032224],
  [3, 0.170034, 0.589941, 0.204869, 0.241686, 0.61044, 0.486456, 0.120077, 0.060038],
  [4, 0.288222, 0.680887, 0.404933, 0.265247, 0.658701, 0.351666, 0.200064, 0.100032],
  [5, 0.423304, 0.749864, 0.734016, 0.291693, 0.668559, 0.258551, 0.329083, 0.164542],
  [6, 0.564508, 0.805779, 1.296253, 0.325885, 0.65392, 0.18889, 0.562237, 0.281119],
  [7, 0.700574, 0.85368, 2.339725, 0.373287, 0.617188, 0.133538, 1.043471, 0.521736],
  [8, 0.820652, 0.896724, 4.575763, 0.442685, 0.553419, 0.087642, 2.236038, 1.118019],
  [9, 0.915167, 0.937112, 10.787911, 0.550877, 0.447916, 0.04885, 6.212149, 3.106074],
  [10, 0.976582, 0.976582, 41.702802, 0.732583, 0.267225, 0.01736, 30.91489, 15.457445],
] as const

test.each(goldenT10)('the cosine schedule has the golden values at t = %i of 10', (t, alphaBar, alpha, snr, a, b, c, gain, weight) => {
  const schedule = cosineSchedule(10)
  const step = schedule.chainCoefficients(t)
  const found = [schedule.alphaBar[t], schedule.alpha[t], schedule.snr[t], step.a, step.b, step.c, schedule.snrGain(t)]
  found.push(blockLossWeight(schedule, 0.1, t))
  const expected = [alphaBar, alpha, snr, a, b, c, gain, weight]
  found.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 6))
})

describe.each(Object.entries(schedules))('the %s schedule', (_, build) => {
  const anyLength = fc.integer({ min: 1, max: 300 })
  const everyStep = (property: (schedule: ReturnType<typeof build>, t: number) => void) =>
    fc.assert(
      fc.property(anyLength, (length) => {
        const schedule = build(length)
        for (let t = 1; t <= length; t++) property(schedule, t)
      }),
    )

  it('has one α and one ᾱ more than blocks', () => {
    fc.assert(
      fc.property(anyLength, (length) => {
        const { alpha, alphaBar, snr } = build(length)
        expect([alpha.length, alphaBar.length, snr.length]).toEqual([length + 1, length + 1, length + 1])
      }),
    )
  })

  it('starts at pure noise and rises from there, staying below 1', () => {
    fc.assert(fc.property(anyLength, (length) => build(length).alphaBar[0] === 0))
    everyStep(({ alphaBar }, t) => {
      expect(alphaBar[t]).toBeGreaterThan(alphaBar[t - 1]!)
      expect(alphaBar[t]).toBeLessThan(1)
    })
  })

  it('has ᾱ as the product of the α from t to T', () => {
    everyStep(({ alpha, alphaBar, numTimesteps }, t) => {
      const product = alpha.slice(t, numTimesteps + 1).reduce((left, right) => left * right, 1)
      expect(product / alphaBar[t]!).toBeCloseTo(1, 10)
    })
  })

  it('weighs every block positively', () => {
    everyStep((schedule, t) => expect(blockLossWeight(schedule, 1, t)).toBeGreaterThan(0))
  })

  it('keeps the marginals: a + b√ᾱ_{t−1} = √ᾱ_t and b²(1 − ᾱ_{t−1}) + c = 1 − ᾱ_t', () => {
    everyStep((schedule, t) => {
      const { a, b, c } = schedule.chainCoefficients(t)
      const [previous, current] = [schedule.alphaBar[t - 1]!, schedule.alphaBar[t]!]
      expect(a + b * Math.sqrt(previous)).toBeCloseTo(Math.sqrt(current), 12)
      expect(b ** 2 * (1 - previous) + c).toBeCloseTo(1 - current, 12)
    })
  })

  it('gains in SNR what the step adds: a²/c = SNR(t) − SNR(t−1)', () => {
    everyStep((schedule, t) => {
      const { a, c } = schedule.chainCoefficients(t)
      expect(a ** 2 / c / schedule.snrGain(t)).toBeCloseTo(1, 8)
    })
  })

  it('agrees with Eq. 3 as the paper writes it', () => {
    everyStep(({ alpha, alphaBar, chainCoefficients }, t) => {
      const { a, b, c } = chainCoefficients(t)
      const noiseBefore = 1 - alphaBar[t - 1]!
      expect(a).toBeCloseTo((Math.sqrt(alphaBar[t]!) * (1 - alpha[t - 1]!)) / noiseBefore, 10)
      expect(b).toBeCloseTo((Math.sqrt(alpha[t - 1]!) * (1 - alphaBar[t]!)) / noiseBefore, 10)
      expect(c).toBeCloseTo(((1 - alphaBar[t]!) * (1 - alpha[t - 1]!)) / noiseBefore, 10)
    })
  })

  it('refuses timesteps that no block has', () => {
    const schedule = build(4)
    for (const t of [0, 5, -1, 1.5, NaN]) {
      expect(() => schedule.snrGain(t)).toThrow(TimestepOutOfRangeError)
      expect(() => schedule.chainCoefficients(t)).toThrow(TimestepOutOfRangeError)
    }
  })
})
