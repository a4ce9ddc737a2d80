import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { goldenT10 } from '../../test/golden-schedule.ts'
import { TimestepOutOfRangeError } from '../errors.ts'
import { blockLossWeight } from '../loss/denoising-loss.ts'
import { cosineSchedule } from './cosine-schedule.ts'

// Every schedule listed here must have every property below.
const schedules = { cosine: cosineSchedule }

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
