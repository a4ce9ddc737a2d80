/**
 * @file Counter-based random numbers: word i of a stream is a hash of (key, i), so nothing has a state, the order of calls does not matter, and a
 * resumed run draws what an uninterrupted one would have drawn. All drawing is done on the host.
 */

/** What a stream is used for. No two uses may share a number. */
export const purposes = {
  initialWeights: 1,
  batchOrder: 2,
  trainingNoise: 3,
  dropout: 4,
  chainStart: 5,
  chainNoise: 6,
  trainingTime: 7,
} as const
export type Purpose = (typeof purposes)[keyof typeof purposes]

/** 64 bits that name a stream. */
export interface StreamKey {
  readonly low: number
  readonly high: number
}

/** A bijection of 32-bit words with near-ideal avalanche: "lowbias32" of Chris Wellons' hash-prospector. */
function mix(word: number): number {
  let x = word
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return x ^ (x >>> 16)
}

/**
 * The key of the stream (seed, purpose, indices…), such as (seed, dropout, block, step, layer).
 *
 * @param seed    integer, 0…2³²−1
 * @param indices integers, 0…2⁵³−1
 */
export function streamKey(seed: number, purpose: Purpose, ...indices: readonly number[]): StreamKey {
  let low = mix(seed ^ 0x9e3779b9)
  let high = mix(seed ^ 0x85ebca6b)
  const absorb = (word: number) => {
    low = mix((low ^ word) + 0x9e3779b9)
    high = mix(((high + Math.imul(word, 0xc2b2ae35)) ^ low) + 0x27d4eb2f)
  }
  absorb(purpose)
  for (const index of indices) {
    absorb(index >>> 0)
    absorb(Math.floor(index / 2 ** 32))
  }
  return { low: low >>> 0, high: high >>> 0 }
}

/** Word `counter` of a stream: 32 uniform bits as an integer, 0…2³²−1. */
export function randomWord(key: StreamKey, counter: number): number {
  return mix((mix(counter ^ key.low) + key.high) | 0) >>> 0
}

/** Fills `target` with numbers uniform in [low, high), 24 bits each. */
export function fillUniform(target: Float32Array, key: StreamKey, low: number, high: number): void {
  const scale = (high - low) / 2 ** 24
  for (let i = 0; i < target.length; i++) target[i] = low + (randomWord(key, i) >>> 8) * scale
}

/** Fills `target` (or `count` elements of it from `start`) with N(0, 1) by Box–Muller; element i depends on the key and i − start alone. */
export function fillNormal(target: Float32Array, key: StreamKey, start = 0, count = target.length - start): void {
  for (let i = 0; i < count; i += 2) {
    // The half keeps the logarithm finite: the radius is at most √(2·33·ln 2) ≈ 6.8.
    const radius = Math.sqrt(-2 * Math.log((randomWord(key, i) + 0.5) / 2 ** 32))
    const angle = (randomWord(key, i + 1) / 2 ** 32) * (2 * Math.PI)
    target[start + i] = radius * Math.cos(angle)
    if (i + 1 < count) target[start + i + 1] = radius * Math.sin(angle)
  }
}

/**
 * Fills `target` with 0 at a probability of `threshold`/65536 and 1 otherwise, two independent 16-bit lanes of each word.
 * The hash is written out here: this is the one hot loop, two million elements a step with the paper's block.
 */
export function fillKeepMask(target: Uint8Array, key: StreamKey, threshold: number): void {
  const { low, high } = key
  const pairs = target.length >> 1
  for (let i = 0; i < pairs; i++) {
    let x = i ^ low
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
    x = ((x ^ (x >>> 16)) + high) | 0
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
    x ^= x >>> 16
    target[2 * i] = (threshold - 1 - (x & 0xffff)) >>> 31
    target[2 * i + 1] = (threshold - 1 - (x >>> 16)) >>> 31
  }
  if (target.length & 1) target[target.length - 1] = (randomWord(key, pairs) & 0xffff) < threshold ? 0 : 1
}
