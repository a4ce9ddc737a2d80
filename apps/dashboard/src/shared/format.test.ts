import { describe, expect, test } from 'vitest'
import {
  formatAgo,
  formatBytes,
  formatDuration,
  formatNumber,
  formatPercent,
  formatPercentShort,
  plural,
  secondsBetween,
} from './format.ts'

describe('formatDuration', () => {
  test.each([
    [0, '0 s'],
    [0.0000042, '4 µs'],
    [0.0042, '4.2 ms'],
    [0.9994, '999 ms'],
    [0.9996, '1.0 s'],
    [9.94, '9.9 s'],
    [59.4, '59 s'],
    [59.6, '1 min'],
    [75, '1 min 15 s'],
    [3599.6, '1 h'],
    [7260, '2 h 1 min'],
    [90_000, '1 d 1 h'],
  ])('%d s is %s', (seconds, words) => expect(formatDuration(seconds)).toBe(words))
})

describe('formatNumber', () => {
  test.each([
    [0, '0'],
    [0.123456, '0.1235'],
    [0.0000123, '1.23e−5'],
    [-2.5, '−2.5'],
    [0.0006, '6e−4'],
    [12_345_678, '1.23e7'],
  ])('%d is %s', (value, words) => expect(formatNumber(value)).toBe(words))
})

test('percentages keep their digits, so that columns line up', () => {
  expect([0.9, 0.98741].map((value) => formatPercent(value))).toEqual(['90.00 %', '98.74 %'])
})

test('a short percentage has no digits that say nothing', () => {
  expect([0.98, 0.9825, 0.99999].map(formatPercentShort)).toEqual(['98 %', '98.25 %', '100 %'])
})

test('bytes are counted in powers of 1024', () => {
  expect([512, 1536, 11_039_352].map(formatBytes)).toEqual(['512 B', '1.5 KiB', '11 MiB'])
})

test('a time of less than a day ago is said in words', () => {
  const now = Date.parse('2026-01-02T12:00:00Z')
  expect(formatAgo('2026-01-02T11:55:00Z', now)).toBe('5 min ago')
  expect(formatAgo('2026-01-02T09:00:00Z', now)).toBe('3 h ago')
})

test('an open end counts to now, and a clock that runs behind gives 0', () => {
  expect(secondsBetween('2026-01-01T00:00:00Z', null, Date.parse('2026-01-01T00:01:00Z'))).toBe(60)
  expect(secondsBetween('2026-01-01T00:00:00Z', null, Date.parse('2025-12-31T23:59:00Z'))).toBe(0)
})

test('one is singular', () => expect([plural(1, 'block'), plural(1200, 'block')]).toEqual(['1 block', '1,200 blocks']))
