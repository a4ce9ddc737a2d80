import { purposes, randomWord, streamKey } from './counter-random.ts'

/**
 * The order in which a block sees the training examples in an epoch: a permutation of 0…n−1 (Fisher–Yates), a pure function of its arguments.
 *
 * @param n number of examples; the bias of scaling a 32-bit word is at most n/2³²
 */
export function epochPermutation(seed: number, block: number, epoch: number, n: number): Uint32Array {
  const key = streamKey(seed, purposes.batchOrder, block, epoch)
  const order = Uint32Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor((randomWord(key, i) / 2 ** 32) * (i + 1))
    const swapped = order[i]!
    order[i] = order[j]!
    order[j] = swapped
  }
  return order
}
