import type { Evaluation } from '@noprop/contract'
import { expect, test } from 'vitest'
import { decodingLines, decodingPlace, isMoved, type ChainConfig } from './decoding-lines.ts'

const discrete: ChainConfig = { method: 'noprop-dt', sampler: 'eq3' }
const evaluation = (head: number, steps = [1, 2, 3]) =>
  ({
    chain_steps: steps,
    noise_free: { after_step: [0.97, 0.98, 0.99], head },
    noisy: { after_step: [0.97, 0.975, 0.98], head },
  }) as unknown as Evaluation
const headsOf = (head: number) => decodingLines(evaluation(head), discrete, ['red', 'blue']).slice(2)

test('lines run over the blocks 1…T', () => {
  expect(decodingLines(evaluation(0.9), discrete, ['red', 'blue'])[0]!.points).toEqual({ xs: [1, 2, 3], ys: [0.97, 0.98, 0.99] })
})

test('of a chain of many small steps, the reported ones are where their numbers are', () => {
  const lines = decodingLines(evaluation(0.9, [50, 500, 1000]), { method: 'noprop-fm', sampler: 'eq3' }, ['red', 'blue'])
  expect(lines[1]!.points).toEqual({ xs: [50, 500, 1000], ys: [0.97, 0.975, 0.98] })
  expect(lines.map(({ label }) => label)).toEqual([
    'Noise-free',
    'Noise in z_0',
    'Nearest embedding to z_T, noise-free',
    'Nearest embedding to z_T, noise in z_0',
  ])
})

test('a method without chance has one line', () => {
  const lines = decodingLines(evaluation(0.99), { method: 'forward-forward', sampler: 'eq3' }, ['red', 'blue'])
  expect(lines.map(({ key }) => key)).toEqual(['free'])
})

test('the decoding stands to the right of the last step, visibly, in a short chain and in a long one', () => {
  expect(decodingPlace([1, 2, 3])).toBe(3.5)
  expect(decodingPlace([50, 1000])).toBe(1040)
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
