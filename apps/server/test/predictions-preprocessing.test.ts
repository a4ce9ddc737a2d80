import { tmpdir } from 'node:os'
import { locateDataset, readImage } from '@noprop/datasets'
import sharp, { type Color } from 'sharp'
import { beforeAll, describe, expect, test } from 'vitest'
import { decodeImage } from '../src/predictions/image-decoder.ts'
import { prepareDigit } from '../src/predictions/prepare-digit.ts'
import * as render from './fixtures/digit-pictures.ts'

const folders = { dataDir: tmpdir(), datasetsDir: process.env['NOPROP_DATASETS_DIR'] }
const names = (['mnist', 'synthetic-digits'] as const).filter((name) => locateDataset(name, folders) !== 'download')
const count = 12
/** Synthetic digits vary a little in size and place, which the preprocessing evens out. */
const usualLikeness = { mnist: 0.93, 'synthetic-digits': 0.87 }

async function prepare(file: Buffer) {
  return prepareDigit(await decodeImage({ bytes: file, pointer: '/image' }))
}

/** Cosine of the angle between two images, one moved by up to a pixel: 1 for the same ink, about 0.5 for two digits of different classes. */
function likeness(a: Uint8Array, b: Uint8Array): number {
  const shifts = [-29, -28, -27, -1, 0, 1, 27, 28, 29]
  return Math.max(...shifts.map((shift) => cosine(a, b, shift)))
}

function cosine(a: Uint8Array, b: Uint8Array, shift: number): number {
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * (b[i + shift] ?? 0)
    aa += a[i]! * a[i]!
    bb += b[i]! * b[i]!
  }
  return ab / Math.sqrt(aa * bb)
}

describe.each(names)('%s', (name) => {
  let digits: Uint8Array[]
  beforeAll(async () => {
    digits = await Promise.all(Array.from({ length: count }, (_, i) => readImage(name, 'test', i, folders)))
  })

  test('an image of the dataset passes unchanged', async () => {
    for (const digit of digits) {
      expect(await prepare(await render.plain(digit))).toEqual({ pixels: digit, inverted: false, cropped: false })
    }
  })

  test.each<[string, render.Picture, { inverted: boolean; allowance?: number }]>([
    ['inverted, at its own size', render.inverted, { inverted: true }],
    ['enlarged ten times', render.enlarged, { inverted: false }],
    ['black on white, with hard pixels', render.blocky, { inverted: true }],
    ['as a poor JPEG', render.jpeg, { inverted: true }],
    ['small in the corner of a white sheet', render.inCorner, { inverted: true }],
    ['black on nothing', render.blackOnTransparent, { inverted: true }],
    ['white on nothing', render.whiteOnTransparent, { inverted: false }],
    ['photographed on unevenly lit paper', render.photograph, { inverted: true }],
    ['blue on yellow', render.blueOnYellow, { inverted: true }],
    ['grey on grey, with little contrast', render.faint, { inverted: true }],
    ['cut out without a margin', render.tight, { inverted: false }],
    ['among dust, beside the edge of the page', render.dusty, { inverted: true }],
    ['written with a thick pen', render.thick, { inverted: true, allowance: 0.15 }],
    ['written with a thin pen', render.thin, { inverted: false, allowance: 0.15 }],
  ])('a digit %s is brought back', async (_, picture, { inverted, allowance = 0 }) => {
    const atLeast = usualLikeness[name] - allowance
    const likenesses: number[] = []
    for (const digit of digits) {
      const prepared = await prepare(await picture(digit))
      expect(prepared.inverted).toBe(inverted)
      likenesses.push(likeness(prepared.pixels, digit))
    }
    const mean = likenesses.reduce((sum, value) => sum + value, 0) / count
    expect(mean).toBeGreaterThan(atLeast)
    expect(Math.min(...likenesses)).toBeGreaterThan(atLeast - 0.15)
  })
})

describe('an image with nothing on it', () => {
  const solid = (background: Color, width = 280, height = 280) =>
    sharp({ create: { width, height, channels: 4, background } })
      .png()
      .toBuffer()

  test.each([
    ['white', solid('#fff')],
    ['black', solid('#000')],
    ['grey', solid('#808080', 28, 28)],
    ['transparent', solid({ r: 0, g: 0, b: 0, alpha: 0 })],
    ['a single pixel', solid('#fff', 1, 1)],
    ['a single row', solid('#123', 300, 1)],
  ])('(%s) is blank to the network', async (_, file) => {
    const { pixels } = await prepare(await file)
    expect(pixels).toHaveLength(784)
    expect(Math.max(...pixels) - Math.min(...pixels)).toBe(0)
  })

  test('(the noise of a camera) is blank to the network', async () => {
    const noise = Buffer.from(Uint8Array.from({ length: 200 * 200 }, (_, i) => 150 + ((Math.imul(i, 0x9e3779b1) >>> 20) % 16)))
    const { pixels } = await prepare(
      await sharp(noise, { raw: { width: 200, height: 200, channels: 1 } })
        .png()
        .toBuffer(),
    )
    expect(Math.max(...pixels)).toBe(0)
  })
})
