import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fillKeepMask, fillNormal, fillUniform, purposes, randomWord, streamKey } from './counter-random.ts'
import { epochPermutation } from './permutation.ts'

const key = streamKey(7, purposes.dropout, 3, 11)

function moments(values: Float32Array) {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  const central = (power: number) => values.reduce((sum, x) => sum + (x - mean) ** power, 0) / values.length
  const variance = central(2)
  return { mean, variance, skewness: central(3) / variance ** 1.5, kurtosis: central(4) / variance ** 2 }
}

/** Pearson's χ² of counts against equal expectation. */
function chiSquared(counts: Uint32Array, total: number): number {
  const expected = total / counts.length
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

describe('words of a stream', () => {
  it.each([0, 8, 16, 24])('have uniform bytes at bit %i', (shift) => {
    const total = 200_000
    const counts = new Uint32Array(256)
    for (let i = 0; i < total; i++) counts[(randomWord(key, i) >>> shift) & 255]!++
    // 255 degrees of freedom: mean 255, standard deviation 22.6; six of them on both sides.
    expect(chiSquared(counts, total)).toBeGreaterThan(120)
    expect(chiSquared(counts, total)).toBeLessThan(390)
  })

  it('are pairwise uniform from one word to the next', () => {
    const total = 200_000
    const counts = new Uint32Array(256)
    for (let i = 0; i < total; i++) counts[((randomWord(key, i) >>> 28) << 4) | (randomWord(key, i + 1) >>> 28)]!++
    expect(chiSquared(counts, total)).toBeLessThan(390)
  })

  it.each([
    ['the step', streamKey(7, purposes.dropout, 3, 12)],
    ['the block', streamKey(7, purposes.dropout, 4, 11)],
    ['the seed', streamKey(8, purposes.dropout, 3, 11)],
    ['the purpose', streamKey(7, purposes.trainingNoise, 3, 11)],
    ['the order of the indices', streamKey(7, purposes.dropout, 11, 3)],
    ['the number of indices', streamKey(7, purposes.dropout, 3, 11, 0)],
    ['the high half of an index', streamKey(7, purposes.dropout, 3, 11 + 2 ** 32)],
  ])('are independent when %s differs', (_, other) => {
    const total = 50_000
    let sameBits = 0
    for (let i = 0; i < total; i++) {
      let same = ~(randomWord(key, i) ^ randomWord(other, i)) >>> 0
      for (; same !== 0; same = (same & (same - 1)) >>> 0) sameBits++
    }
    // Binomial with 32·total trials of ½: six standard deviations.
    expect(Math.abs(sameBits - 16 * total)).toBeLessThan(6 * Math.sqrt(8 * total))
  })

  it('never share a key between neighbouring uses', () => {
    const keys = new Set<string>()
    for (const seed of [0, 1, 2, 4294967295]) {
      for (const purpose of Object.values(purposes)) {
        for (let block = 0; block <= 10; block++) {
          for (let step = 0; step < 50; step++) {
            const { low, high } = streamKey(seed, purpose, block, step)
            keys.add(`${low}/${high}`)
          }
        }
      }
    }
    expect(keys.size).toBe(4 * Object.keys(purposes).length * 11 * 50)
  })
})

describe('normal numbers', () => {
  it('have the moments and the tails of N(0, 1)', () => {
    const values = new Float32Array(400_000)
    fillNormal(values, key)
    const { mean, variance, skewness, kurtosis } = moments(values)
    expect(mean).toBeCloseTo(0, 2)
    expect(variance).toBeCloseTo(1, 2)
    expect(Math.abs(skewness)).toBeLessThan(0.02)
    expect(Math.abs(kurtosis - 3)).toBeLessThan(0.05)
    const beyond2 = values.filter((x) => Math.abs(x) > 2).length / values.length
    expect(beyond2).toBeCloseTo(0.0455, 2)
    expect(values.every(Number.isFinite)).toBe(true)
  })

  it('do not depend on what was drawn before or where they are put', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 10 }), (count, start) => {
        const alone = new Float32Array(count)
        fillNormal(alone, key)
        const inside = new Float32Array(start + count + 3)
        fillNormal(new Float32Array(9), streamKey(1, purposes.chainStart))
        fillNormal(inside, key, start, count)
        expect(inside.subarray(start, start + count)).toEqual(alone)
        expect(inside.subarray(start + count)).toEqual(new Float32Array(3))
      }),
    )
  })
})

describe('uniform numbers', () => {
  it('fill their range evenly', () => {
    const values = new Float32Array(100_000)
    fillUniform(values, key, -0.5, 1.5)
    const { mean, variance } = moments(values)
    expect(mean).toBeCloseTo(0.5, 2)
    expect(variance).toBeCloseTo(4 / 12, 2)
    expect(values.every((x) => x >= -0.5 && x < 1.5)).toBe(true)
  })
})

describe('keep masks', () => {
  it.each([1 / 65536, 0.05, 0.2, 0.5, 0.9])('drop at a rate of %f', (rate) => {
    const mask = new Uint8Array(1_000_000)
    const threshold = Math.round(rate * 65536)
    fillKeepMask(mask, key, threshold)
    const dropped = mask.reduce((count, kept) => count + (1 - kept), 0)
    const p = threshold / 65536
    expect(Math.abs(dropped - mask.length * p)).toBeLessThan(6 * Math.sqrt(mask.length * p * (1 - p)))
  })

  it.each([1, 255, 256, 13107, 32767, 32768, 32769, 33024, 65279, 65535])(
    'compare a byte of two words for each element with the threshold, such as %i',
    (threshold) => {
      // of the last one, some bytes equal the upper half of the threshold whatever it is
      for (const length of [1, 2, 3, 7, 4096]) {
        const mask = new Uint8Array(length)
        fillKeepMask(mask, key, threshold)
        const byte = (counter: number, i: number) => (randomWord(key, counter) >>> (8 * (i & 3))) & 0xff
        const expected = mask.map((_, i) => (256 * byte(i >> 2, i) + byte(~(i >> 2), i) < threshold ? 0 : 1))
        expect(mask).toEqual(expected)
      }
    },
  )

  it('are the same wherever in memory they are written', () => {
    const alone = new Uint8Array(1003)
    fillKeepMask(alone, key, 13107)
    const inside = new Uint8Array(1010)
    fillKeepMask(inside.subarray(3, 1006), key, 13107)
    expect(inside.subarray(3, 1006)).toEqual(alone)
    expect([...inside.subarray(0, 3), ...inside.subarray(1006)]).toEqual(Array(7).fill(0))
  })

  it('are all ones at a rate of 0', () => {
    const mask = new Uint8Array(1001)
    fillKeepMask(mask, key, 0)
    expect(mask.every((kept) => kept === 1)).toBe(true)
  })
})

describe('the batch order', () => {
  it('is a permutation, the same for the same arguments and another for others', () => {
    const order = epochPermutation(5, 2, 1, 1000)
    expect(Uint32Array.from(order).sort()).toEqual(Uint32Array.from({ length: 1000 }, (_, i) => i))
    expect(epochPermutation(5, 2, 1, 1000)).toEqual(order)
    for (const other of [epochPermutation(6, 2, 1, 1000), epochPermutation(5, 3, 1, 1000), epochPermutation(5, 2, 2, 1000)]) {
      expect(other).not.toEqual(order)
    }
  })

  it('puts every example everywhere equally often', () => {
    const n = 8
    const draws = 20_000
    const counts = new Uint32Array(n * n)
    for (let epoch = 0; epoch < draws; epoch++) epochPermutation(1, 1, epoch, n).forEach((example, place) => counts[example * n + place]!++)
    // (n − 1)² = 49 degrees of freedom: mean 49, standard deviation 9.9.
    expect(chiSquared(counts, draws * n)).toBeLessThan(110)
  })

  it('exists for no examples and for one', () => {
    expect(epochPermutation(1, 1, 1, 0)).toEqual(new Uint32Array(0))
    expect(epochPermutation(1, 1, 1, 1)).toEqual(Uint32Array.of(0))
  })
})
