/**
 * Milliseconds to wait before the next attempt to connect: doubles from 0.5 s to 15 s, with up to a third taken off at random, so
 * that many pages do not come back in the same instant.
 *
 * @param attempt failed attempts so far, from 0
 * @param random  in [0, 1)
 */
export function backoffMs(attempt: number, random: number): number {
  return Math.min(500 * 2 ** attempt, 15_000) * (1 - random / 3)
}
