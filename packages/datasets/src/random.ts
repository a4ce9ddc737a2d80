/** A stream of random numbers that depends on nothing but its keys. Integer arithmetic only, so it gives the same bits on every machine. */
export interface Random {
  /** uniform in [0, 2³²) */
  uint32(): number
  /** uniform in [0, 1), 32 bits */
  uniform(): number
  /** uniform in [low, high) */
  between(low: number, high: number): number
  /** uniform in 0 … n − 1 */
  below(n: number): number
}

/** The finalizer of MurmurHash3: every input bit reaches every output bit. */
function mix(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** @param keys integers, such as (seed, stream, index); each different list names an independent stream */
export function createRandom(...keys: readonly number[]): Random {
  let state = 0x9e3779b9
  for (const key of keys) state = mix(state ^ mix(Math.imul(key, 0x9e3779b1) + 0x7f4a7c15))

  // splitmix32: a Weyl sequence through a mixer
  const uint32 = () => {
    state = (state + 0x9e3779b9) | 0
    return mix(state)
  }
  const uniform = () => uint32() / 2 ** 32
  return {
    uint32,
    uniform,
    between: (low, high) => low + (high - low) * uniform(),
    below: (n) => Math.floor(uniform() * n),
  }
}

/** Fisher–Yates, in place. */
export function shuffle<T extends { length: number; [index: number]: number }>(values: T, random: Random): T {
  for (let i = values.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const value = values[i]!
    values[i] = values[j]!
    values[j] = value
  }
  return values
}
