import { describe, expect, test } from 'vitest'
import { categoryColors, rampColors, rampDash } from './palette.ts'

const surfaces = { light: [255, 255, 255], dark: [22, 26, 32] }

function channels(color: string): number[] {
  if (color.startsWith('#')) return [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16))
  return (color.match(/\d+/g) ?? []).map(Number)
}

/** WCAG relative luminance. */
function luminance(rgb: readonly number[]): number {
  const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4))
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
}

function contrast(a: readonly number[], b: readonly number[]): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (high! + 0.05) / (low! + 0.05)
}

describe.each([true, false])('dark: %s', (dark) => {
  const surface = dark ? surfaces.dark : surfaces.light

  test.each([1, 2, 3, 10, 12])('%d block lines have a contrast of 3 : 1 with the surface', (count) => {
    for (const color of rampColors(count, dark)) expect(contrast(channels(color), surface), color).toBeGreaterThanOrEqual(3)
  })

  test('lightness rises along the ramp, so that the order shows without hue', () => {
    const values = rampColors(12, dark).map((color) => luminance(channels(color)))
    expect(values).toEqual([...values].sort((a, b) => a - b))
  })

  test('colours of compared runs have a contrast of 3 : 1 with the surface', () => {
    for (const color of categoryColors(8, dark)) expect(contrast(channels(color), surface), color).toBeGreaterThanOrEqual(3)
  })
})

test('neighbours in a long list differ by their dashes too', () => {
  expect([0, 1, 2].map((i) => rampDash(i, 10))).toEqual([undefined, [6, 3], undefined])
  expect(rampDash(1, 3)).toBeUndefined()
})
