import { createHash } from 'node:crypto'
import sharp, { type Sharp } from 'sharp'
import { describe, expect, test } from 'vitest'
import { decodeImage } from './image-decoder.ts'
import { preparePhoto } from './prepare-photo.ts'

/** 32×32 pixels of noise in colour, as no scaling would leave them. */
const noise = Uint8Array.from(createHash('shake256', { outputLength: 3072 }).update('photo').digest())
const photo = sharp(noise, { raw: { width: 32, height: 32, channels: 3 } })

const prepare = async (picture: Sharp) => preparePhoto(await decodeImage({ bytes: await picture.toBuffer(), pointer: '/image' }))

/** Pixels of one colour in boxes of others, given as [colour, left, top, width, height]. */
function boxes(width: number, height: number, background: string, ...parts: [string, number, number, number, number][]): Sharp {
  const input = parts.map(([color, left, top, w, h]) => ({
    left,
    top,
    input: { create: { width: w, height: h, channels: 3 as const, background: color } },
  }))
  return sharp({ create: { width, height, channels: 3, background } }).composite(input)
}

function pixelAt(pixels: Uint8Array, column: number, row: number): number[] {
  return [...pixels.subarray((row * 32 + column) * 3, (row * 32 + column + 1) * 3)]
}

/** Scaling rings a little at the edges of colours. */
function expectNear(found: number[], wanted: number[], tolerance = 3) {
  found.forEach((value, i) => expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(tolerance))
}

test('a picture of 32×32 pixels passes unchanged', async () => {
  expect(await prepare(photo.clone().png())).toEqual({ pixels: noise, inverted: false, cropped: false })
  expect((await prepare(photo.clone().webp({ lossless: true }))).pixels).toEqual(noise)
})

test('a grey one gets the same value in every channel', async () => {
  const grey = Buffer.from(noise.subarray(0, 1024))
  const { pixels } = await prepare(sharp(grey, { raw: { width: 32, height: 32, channels: 1 } }).png())
  expect(pixels).toEqual(Uint8Array.from({ length: 3072 }, (_, i) => grey[Math.floor(i / 3)]!))
})

describe('a larger picture', () => {
  test('covers the square, and what reaches beyond is cut off evenly', async () => {
    const wide = boxes(640, 320, '#00f', ['#f00', 0, 0, 160, 320], ['#0f0', 480, 0, 160, 320])
    const { pixels, cropped } = await prepare(wide.png())
    expect(cropped).toBe(true)
    for (const column of [2, 16, 29]) expectNear(pixelAt(pixels, column, 16), [0, 0, 255])
    const tall = await prepare(boxes(300, 600, '#00f', ['#f00', 0, 0, 300, 150], ['#0f0', 0, 450, 300, 150]).png())
    for (const row of [2, 16, 29]) expectNear(pixelAt(tall.pixels, 16, row), [0, 0, 255])
  })

  test('keeps its colours and its sides', async () => {
    const quarters = boxes(400, 400, '#fff', ['#c00000', 0, 0, 200, 200], ['#00c000', 200, 0, 200, 200], ['#0000c0', 0, 200, 200, 200])
    const { pixels } = await prepare(quarters.jpeg({ quality: 95 }))
    expectNear(pixelAt(pixels, 8, 8), [192, 0, 0], 12)
    expectNear(pixelAt(pixels, 24, 8), [0, 192, 0], 12)
    expectNear(pixelAt(pixels, 8, 24), [0, 0, 192], 12)
    expectNear(pixelAt(pixels, 24, 24), [255, 255, 255], 12)
  })
})

test.each([
  [1, 1],
  [9, 200],
  [3000, 2],
])('%i×%i pixels are enough', async (width, height) => {
  const { pixels } = await prepare(boxes(width, height, '#123456').png())
  expect([pixels.length, ...pixelAt(pixels, 16, 16)]).toEqual([3072, 0x12, 0x34, 0x56])
})

test('what is transparent becomes white', async () => {
  const rgba = Uint8Array.from({ length: 64 * 64 * 4 }, (_, i) => (i % 4 === 3 ? (i < 64 * 64 * 2 ? 0 : 255) : 40))
  const { pixels } = await prepare(sharp(rgba, { raw: { width: 64, height: 64, channels: 4 } }).png())
  expect(pixelAt(pixels, 16, 4)).toEqual([255, 255, 255])
  expect(pixelAt(pixels, 16, 28)).toEqual([40, 40, 40])
})
