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
  // The words are the purpose and the two halves of every index. A loop over them takes a third of the time of a function that absorbs one, and a chain of a
  // thousand steps has a key for each of them.
  for (let i = -1; i < 2 * indices.length; i++) {
    const index = indices[i >> 1]!
    const word = i < 0 ? purpose : i & 1 ? Math.floor(index / 2 ** 32) : index >>> 0
    low = mix((low ^ word) + 0x9e3779b9)
    high = mix(((high + Math.imul(word, 0xc2b2ae35)) ^ low) + 0x27d4eb2f)
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
 * Fills `target` with 0 at a probability of `threshold`/65536 and 1 otherwise. Four elements share a word, a byte each: a byte below the upper half of the
 * threshold drops its element, a byte above keeps it, and one that equals it, which is rare, leaves it to the same byte of another word.
 * This is the one hot loop, two million elements a step with the paper's block: the hash is written out, and the four bytes are compared at once.
 */
export function fillKeepMask(target: Uint8Array, key: StreamKey, threshold: number): void {
  const words = target.length >> 2
  if (target.byteOffset % 4 !== 0) return target.set(keepMask(target.length, key, threshold))
  const quads = new Int32Array(target.buffer, target.byteOffset, words)
  const [low, high] = [key.low | 0, key.high | 0]
  const limit = threshold >> 8
  const limits = Math.imul(limit, 0x01010101)
  // added to the lower seven bits of a byte, these carry into its highest bit where it reaches the limit, or the limit less 128
  const carry = Math.imul((limit > 128 ? 256 : 128) - limit, 0x01010101)
  for (let i = 0; i < words; i++) {
    let x = i ^ low
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
    x = ((x ^ (x >>> 16)) + high) | 0
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
    x ^= x >>> 16
    const reached = ((x & 0x7f7f7f7f) + carry) | 0
    quads[i] = ((limit > 128 ? reached & x : reached | x) & 0x80808080) >>> 7
    const difference = x ^ limits
    // some byte is 0: https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord
    if (((difference - 0x01010101) & ~difference & 0x80808080) !== 0) quads[i] = keepBytes(x, randomWord(key, ~i), threshold)
  }
  const rest = keepBytes(randomWord(key, words), randomWord(key, ~words), threshold)
  for (let i = 4 * words; i < target.length; i++) target[i] = (rest >>> (8 * (i & 3))) & 1
}

function keepMask(length: number, key: StreamKey, threshold: number): Uint8Array {
  const mask = new Uint8Array(length)
  fillKeepMask(mask, key, threshold)
  return mask
}

/** Four bytes of 0 or 1 for those of two words, byte by byte. */
function keepBytes(upper: number, lower: number, threshold: number): number {
  let kept = 0
  for (let shift = 0; shift < 32; shift += 8) {
    const value = (((upper >>> shift) & 0xff) << 8) | ((lower >>> shift) & 0xff)
    if (value >= threshold) kept |= 1 << shift
  }
  return kept
}
