import { expect, test } from 'vitest'
import { areDigits, listClasses } from './class-names.ts'

test('digits are told from other classes', () => {
  expect(areDigits(Array.from({ length: 10 }, (_, i) => String(i)))).toBe(true)
  expect(areDigits(['airplane', 'bird'])).toBe(false)
  expect(areDigits(['1', '0'])).toBe(false)
  expect(areDigits([])).toBe(false)
})

test('many classes are listed in part', () => {
  expect(listClasses(['cat', 'maple_tree'])).toBe('cat, maple tree')
  expect(
    listClasses(
      Array.from({ length: 100 }, (_, i) => `c${i}`),
      3,
    ),
  ).toBe('c0, c1, c2 and 97 more')
})
