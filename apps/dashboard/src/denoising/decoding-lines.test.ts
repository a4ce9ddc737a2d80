import type { Evaluation } from '@noprop/contract'
import { expect, test } from 'vitest'
import { decodingLines, isMoved } from './decoding-lines.ts'

const evaluation = (head: number) =>
  ({ noise_free: { after_block: [0.97, 0.98, 0.99], head }, noisy: { after_block: [0.97, 0.975, 0.98], head } }) as Evaluation
const headsOf = (head: number) => decodingLines(evaluation(head), ['red', 'blue']).slice(2)

test('lines run over the blocks 1…T', () => {
  expect(decodingLines(evaluation(0.9), ['red', 'blue'])[0]!.points).toEqual({ xs: [1, 2, 3], ys: [0.97, 0.98, 0.99] })
})

test('a head near the lines is drawn where it is', () => {
  for (const line of headsOf(0.96)) {
    expect(line.points.ys).toEqual([0.96])
    expect(isMoved(line)).toBe(false)
  }
})

test('a head far below is moved to the foot of the chart and still tells its value', () => {
  for (const line of headsOf(0.5)) {
    expect(line.points.ys[0]).toBeCloseTo(0.95)
    expect(line.told).toEqual([0.5])
    expect(isMoved(line)).toBe(true)
  }
})
