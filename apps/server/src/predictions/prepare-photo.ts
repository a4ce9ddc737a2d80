import sharp from 'sharp'
import type { Bitmap } from './image-decoder.ts'
import type { PreparedImage } from './prepared-image.ts'

const imageSide = 32

/**
 * Makes a picture that a person would send look like one of CIFAR: 32×32 pixels in colour. It is scaled so that it covers the square, and what
 * reaches beyond is cut off evenly; what is transparent becomes white. A picture of 32×32 pixels passes as it is.
 */
export async function preparePhoto({ width, height, rgba }: Bitmap): Promise<PreparedImage> {
  const pixels = await sharp(rgba, { raw: { width, height, channels: 4 } })
    .flatten({ background: '#fff' })
    .resize(imageSide, imageSide, { fit: 'cover' })
    .raw()
    .toBuffer()
  return { pixels: Uint8Array.from(pixels), inverted: false, cropped: width !== imageSide || height !== imageSide }
}
