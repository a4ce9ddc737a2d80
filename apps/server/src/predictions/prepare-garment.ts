import sharp from 'sharp'
import { type GreyMap, median } from './background.ts'
import { type Box, imageSide, inkBox } from './digit-layout.ts'
import type { Bitmap } from './image-decoder.ts'
import { greyOf } from './ink.ts'
import type { PreparedImage } from './prepared-image.ts'

/** Grey levels by which a pixel of a garment differs from the background at least. */
const minContrast = 12

/**
 * Makes a picture of a garment look like those of Fashion-MNIST, which were made so from photographs on white: cut out, scaled so that the longer
 * side fills 28 pixels, centred, and turned into its negative, which has the background black. What is transparent counts as white. A picture on black
 * is not turned. One of 28×28 pixels on black passes as it is.
 */
export async function prepareGarment(bitmap: Bitmap): Promise<PreparedImage> {
  const grey = greyOf(bitmap, 255)
  const corners = cornerPixels(grey)
  const background = median(corners)
  const inverted = background >= 128
  const isOfSize = grey.width === imageSide && grey.height === imageSide
  if (isOfSize && !inverted) return { pixels: Uint8Array.from(grey.values, Math.round), inverted, cropped: false }

  const garment = onBlack(grey, background)
  if (isOfSize) return { pixels: Uint8Array.from(garment.values, Math.round), inverted, cropped: false }
  // 1.4826 × the median absolute deviation is the standard deviation of a normal distribution
  const noise = 1.4826 * median(corners.map((value) => Math.abs(value - background)))
  const box = inkBox(garment, Math.max(minContrast, 4 * noise))
  if (!box) return { pixels: new Uint8Array(imageSide * imageSide), inverted, cropped: false }
  return { pixels: await fit(garment, box), inverted, cropped: true }
}

/** Grey levels in the corners, of which a garment seldom reaches more than one. */
function cornerPixels({ width, height, values }: GreyMap): number[] {
  const depth = Math.max(1, Math.round(0.06 * Math.min(width, height)))
  const isEdge = (place: number, size: number) => place < depth || place >= size - depth
  return [...values].filter((_, i) => isEdge(i % width, width) && isEdge(Math.floor(i / width), height))
}

/** The picture with its background as 0 and the other end of the scale as 255. */
function onBlack({ width, height, values }: GreyMap, background: number): GreyMap {
  const range = background >= 128 ? -background : 255 - background
  return { width, height, values: values.map((value) => 255 * Math.min(1, Math.max(0, (value - background) / range))) }
}

async function fit({ width, height, values }: GreyMap, { left, top, right, bottom }: Box): Promise<Uint8Array> {
  const fitted = await sharp(Uint8Array.from(values, Math.round), { raw: { width, height, channels: 1 } })
    .extract({ left, top, width: right - left, height: bottom - top })
    .resize(imageSide, imageSide, { fit: 'contain', background: '#000' })
    .toColourspace('b-w')
    .raw()
    .toBuffer()
  return Uint8Array.from(fitted)
}
