import { expect, test } from 'vitest'
import { encodeIdx, parseIdx } from './idx.ts'

const values = Uint8Array.from({ length: 12 }, (_, i) => i)
const file = encodeIdx(values, [3, 2, 2])

test('what is encoded is read back', () => {
  expect(parseIdx(file, [3, 2, 2], 'f')).toEqual(values)
  expect([...file.subarray(0, 4)]).toEqual([0, 0, 8, 3])
})

test.each([
  ['shorter than its header', file.subarray(0, 7), 'truncated'],
  ['cut off', file.subarray(0, -1), 'truncated: 27 bytes where 28 belong'],
  ['longer than it says', Uint8Array.from([...file, 0]), 'too long'],
  ['of labels where images belong', encodeIdx(values, [12]), 'begins with 0x00000801, not 0x00000803'],
  ['with other counts', encodeIdx(values, [4, 3, 1]), 'holds 4×3×1 values where 3×2×2 belong'],
])('a file %s is refused', (_, bytes, message) => {
  expect(() => parseIdx(bytes, [3, 2, 2], 'f')).toThrow(message)
})
