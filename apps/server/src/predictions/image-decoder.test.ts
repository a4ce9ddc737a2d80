import { createHash } from 'node:crypto'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { pixelBomb } from '../../test/fixtures/pixel-bomb.ts'
import { decodeImage } from './image-decoder.ts'

const picture = sharp({ create: { width: 40, height: 20, channels: 3, background: { r: 10, g: 20, b: 30 } } })
const decode = (bytes: Uint8Array) => decodeImage({ bytes, pointer: '/image' })

describe('decodeImage', () => {
  test.each(['png', 'jpeg', 'webp'] as const)('reads %s', async (format) => {
    const { width, height, rgba } = await decode(await picture.clone().toFormat(format).toBuffer())
    expect([width, height, rgba.length]).toEqual([40, 20, 40 * 20 * 4])
    expect(Math.abs(rgba[0]! - 10)).toBeLessThan(6)
    expect(Math.abs(rgba[2]! - 30)).toBeLessThan(6)
    expect(rgba[3]).toBe(255)
  })

  test('reads grey pixels as they are, 16-bit ones by their upper half', async () => {
    const values = Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => i))
    const grey = sharp(values, { raw: { width: 16, height: 16, channels: 1 } })
    for (const file of [await grey.clone().png().toBuffer(), await grey.clone().toColourspace('grey16').png().toBuffer()]) {
      const { rgba } = await decode(file)
      expect([...rgba.filter((_, i) => i % 4 === 1)]).toEqual([...values])
    }
  })

  test('scales a large image down, keeping its proportions', async () => {
    const { width, height } = await decode(await picture.clone().resize(3000, 1500).png().toBuffer())
    expect([width, height]).toEqual([192, 96])
  })

  test('turns a photograph upright as its EXIF says', async () => {
    const { width, height } = await decode(await picture.clone().withMetadata({ orientation: 6 }).jpeg().toBuffer())
    expect([width, height]).toEqual([20, 40])
  })

  test('keeps transparency', async () => {
    const clear = await sharp({ create: { width: 9, height: 9, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } } })
      .png()
      .toBuffer()
    expect((await decode(clear)).rgba[3]).toBe(0)
  })

  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>')
  test.each<[string, () => Buffer | Promise<Buffer>, number, string]>([
    ['text', () => Buffer.from('hello, this is not an image at all'), 415, 'is not a PNG, JPEG or WebP file'],
    ['an empty file', () => Buffer.alloc(0), 415, 'is empty'],
    ['SVG', () => svg, 415, 'is not a PNG'],
    ['GIF', () => picture.clone().gif().toBuffer(), 415, 'is not a PNG'],
    ['TIFF', () => picture.clone().tiff().toBuffer(), 415, 'is not a PNG'],
    [
      'SVG behind the signature of PNG',
      () => Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]), svg]),
      422,
      'is damaged',
    ],
    ['an animation', animation, 415, 'is an animation'],
    ['a truncated PNG', async () => (await noise().png().toBuffer()).subarray(0, 3000), 422, 'is damaged'],
    ['a truncated JPEG', async () => (await noise().jpeg().toBuffer()).subarray(0, 2000), 422, 'is damaged'],
    ['a truncated WebP', async () => (await noise().webp({ lossless: true }).toBuffer()).subarray(0, 2000), 422, 'is damaged'],
    ['a PNG with a wrong checksum', flippedPng, 422, 'is damaged'],
    ['a PNG of 14,000² pixels', () => pixelBomb(14_000), 413, 'has 14000×14000 pixels'],
  ])('refuses %s, naming the field', async (_, make, status, detail) => {
    const error = await decode(await make()).then(
      () => 'decoded',
      (caught: unknown) => caught,
    )
    expect(error).toMatchObject({ statusCode: status, errors: [{ pointer: '/image' }] })
    expect((error as Error).message).toContain(`image ${detail}`)
  })
})

/** Pixels that no format can compress, so that a file has no end that could be missed. */
function noise() {
  const pixels = createHash('shake256', { outputLength: 64 * 64 })
    .update('noise')
    .digest()
  return sharp(pixels, { raw: { width: 64, height: 64, channels: 1 } })
}

async function flippedPng(): Promise<Buffer> {
  const file = await noise().png().toBuffer()
  file[100]! ^= 0xff
  return file
}

function animation(): Promise<Buffer> {
  const frames = Buffer.from(Uint8Array.from({ length: 8 * 16 * 3 }, (_, i) => (i * 7) % 256))
  return sharp(frames, { raw: { width: 8, height: 16, channels: 3, pageHeight: 8 } })
    .webp({ loop: 0, delay: [100, 100] })
    .toBuffer()
}
