import sharp, { type Sharp } from 'sharp'
import { describe, expect, test } from 'vitest'
import { decodeImage } from './image-decoder.ts'
import { prepareGarment } from './prepare-garment.ts'

type Shade = (column: number, row: number) => number | null

/** A shirt of 200×160 pixels with shades of grey between 40 and 120; null: beside it. */
const shirt: Shade = (column, row) => {
  const isBody = column >= 50 && column < 150 && row >= 0 && row < 160
  const isSleeve = column >= 0 && column < 200 && row >= 10 && row < 60
  return isBody || isSleeve ? 40 + (80 * row) / 160 : null
}
/** Trousers of 60×180 pixels. */
const trousers: Shade = (column, row) =>
  row >= 0 && row < 180 && column >= 0 && column < 60 && (row < 50 || column < 25 || column >= 35) ? 70 : null

/** A garment in the middle of a picture, on a background of one level or of a function. */
function picture(
  garment: Shade,
  width: number,
  height: number,
  [left, top]: [number, number],
  background: number | ((i: number) => number) = 255,
): Sharp {
  const values = Uint8Array.from({ length: width * height }, (_, i) => {
    const shade = garment((i % width) - left, Math.floor(i / width) - top)
    return shade ?? (typeof background === 'number' ? background : background(i))
  })
  return sharp(values, { raw: { width, height, channels: 1 } })
}

const prepare = async (file: Sharp) => prepareGarment(await decodeImage({ bytes: await file.png().toBuffer(), pointer: '/image' }))

/** Columns and rows that hold more than a trace. */
function extent(pixels: Uint8Array): { columns: [number, number]; rows: [number, number] } {
  const lit = [...pixels.keys()].filter((i) => pixels[i]! > 30)
  const range = (places: number[]): [number, number] => [Math.min(...places), Math.max(...places)]
  return { columns: range(lit.map((i) => i % 28)), rows: range(lit.map((i) => Math.floor(i / 28))) }
}

/** What Fashion-MNIST holds: a light garment on black that reaches the edges of its longer side. */
const ofTheSet = Uint8Array.from({ length: 784 }, (_, i) => {
  const [column, row] = [i % 28, Math.floor(i / 28)]
  return column >= 7 && column < 21 && (row < 12 || column < 12 || column >= 16) ? 150 + ((i * 7) % 100) : 0
})

describe('a picture of the size of the set', () => {
  const raw = { raw: { width: 28, height: 28, channels: 1 as const } }
  test('passes unchanged', async () => {
    expect(await prepare(sharp(ofTheSet, raw))).toEqual({ pixels: ofTheSet, inverted: false, cropped: false })
  })

  test('is turned where it is the negative', async () => {
    const negative = ofTheSet.map((value) => 255 - value)
    expect(await prepare(sharp(negative, raw))).toEqual({ pixels: ofTheSet, inverted: true, cropped: false })
  })

  test('passes unchanged though the garment fills it up to one corner', async () => {
    const full = Uint8Array.from({ length: 784 }, (_, i) => (i % 28 < 24 && Math.floor(i / 28) < 25 ? 200 : 0))
    expect((await prepare(sharp(full, raw))).pixels).toEqual(full)
  })
})

describe('a photograph on a light background', () => {
  test('is cut out, turned, and fills its longer side', async () => {
    const { pixels, inverted, cropped } = await prepare(picture(trousers, 400, 300, [200, 60]))
    expect({ inverted, cropped }).toEqual({ inverted: true, cropped: true })
    const { columns, rows } = extent(pixels)
    expect(rows).toEqual([0, 27])
    // 60 of 180: 9.3 of 28 pixels, in the middle
    expect(columns[0]).toBeGreaterThanOrEqual(8)
    expect(columns[1]).toBeLessThanOrEqual(19)
    expect(Math.abs(columns[0] + columns[1] - 27)).toBeLessThanOrEqual(1)
    expect(Math.abs(pixels[5 * 28 + 14]! - (255 - 70))).toBeLessThan(8)
    expect(pixels[0]).toBe(0)
  })

  test('keeps the shades of the garment', async () => {
    const { pixels } = await prepare(picture(shirt, 260, 220, [30, 30]))
    expect(extent(pixels).columns).toEqual([0, 27])
    const down = [6, 10, 14, 18, 22].map((row) => pixels[row * 28 + 14]!)
    expect(down).toEqual([...down].sort((a, b) => b - a))
    expect(down[0]! - down.at(-1)!).toBeGreaterThan(40)
  })

  test('may be grey and noisy: the background is black all the same', async () => {
    const noisy = (i: number) => 215 + ((Math.imul(i + 1, 0x9e3779b1) >>> 16) % 9)
    const { pixels } = await prepare(picture(trousers, 300, 260, [120, 40], noisy))
    expect(extent(pixels).rows).toEqual([0, 27])
    expect(pixels[14 * 28 + 3]).toBeLessThan(6)
    expect(pixels[5 * 28 + 14]).toBeGreaterThan(150)
  })

  test('may be cut closely', async () => {
    const { pixels, inverted } = await prepare(picture(shirt, 200, 160, [0, 0]))
    expect(inverted).toBe(true)
    expect(extent(pixels).columns).toEqual([0, 27])
  })
})

test('a light garment on black is cut out but not turned', async () => {
  const light: Shade = (column, row) => (trousers(column, row) === null ? null : 180)
  const { pixels, inverted, cropped } = await prepare(picture(light, 300, 300, [20, 100], 0))
  expect({ inverted, cropped }).toEqual({ inverted: false, cropped: true })
  expect(extent(pixels).rows).toEqual([0, 27])
  expect(Math.abs(pixels[5 * 28 + 14]! - 180)).toBeLessThan(8)
})

test('what is transparent counts as white', async () => {
  const rgba = new Uint8Array(100 * 200 * 4)
  for (let i = 0; i < 100 * 200; i++) {
    const shade = trousers((i % 100) - 20, Math.floor(i / 100) - 10)
    if (shade !== null) rgba.set([shade, shade, shade, 255], 4 * i)
  }
  const { pixels, inverted } = await prepare(sharp(rgba, { raw: { width: 100, height: 200, channels: 4 } }))
  expect(inverted).toBe(true)
  expect(Math.abs(pixels[5 * 28 + 14]! - (255 - 70))).toBeLessThan(8)
})

test.each([
  ['white', 255, 300],
  ['black', 0, 300],
  ['a single pixel', 255, 1],
])('a picture of nothing (%s) is black', async (_, level, side) => {
  const { pixels } = await prepare(picture(() => null, side, side, [0, 0], level))
  expect(pixels).toEqual(new Uint8Array(784))
})
