import sharp from 'sharp'
import { ApiError } from '../api-error.ts'

/** An image in memory, flat [height, width, 4], 8 bits, not premultiplied. */
export interface Bitmap {
  readonly width: number
  readonly height: number
  readonly rgba: Uint8Array
}

/** An image file from outside, and the field that it came in, as a JSON Pointer. */
export interface ImageFile {
  readonly bytes: Uint8Array
  readonly pointer: string
}

const maxPixels = 16_000_000

/** Larger images are scaled down while they are decoded: all digits that can be told apart at all still can. */
const workingSize = 192

const allowedFormats = new Set(['png', 'jpeg', 'webp'])
const title = 'The image cannot be used'

/**
 * Decodes a PNG, JPEG or WebP file, turned upright, in sharp's own threads.
 *
 * @returns the image, at most 192 pixels in either direction
 * @throws {ApiError} IMAGE_UNSUPPORTED (415), IMAGE_TOO_LARGE (413), IMAGE_UNREADABLE (422), naming the field
 */
export async function decodeImage(file: ImageFile): Promise<Bitmap> {
  const format = sniffFormat(file.bytes)
  if (!format) throw imageError('IMAGE_UNSUPPORTED', 415, file, 'is not a PNG, JPEG or WebP file')
  // only WebP says in its header what would not fail while it is decoded: that it is an animation
  if (format === 'webp') await checkHeader(file)
  try {
    const { data, info } = await sharp(file.bytes, { limitInputPixels: maxPixels, failOn: 'error' })
      .autoOrient()
      .toColourspace('srgb')
      .ensureAlpha()
      .resize({ width: workingSize, height: workingSize, fit: 'inside', withoutEnlargement: true, kernel: 'mitchell' })
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true })
    return { width: info.width, height: info.height, rgba: data }
  } catch (error) {
    await checkHeader(file)
    throw imageError('IMAGE_UNREADABLE', 422, file, `is damaged: ${oneLine(error)}`)
  }
}

/** Looks at what the file says of itself: a better reason to refuse it than that it could not be decoded. */
async function checkHeader(file: ImageFile): Promise<void> {
  const { format, width, height, pages } = await sharp(file.bytes, { limitInputPixels: false })
    .metadata()
    .catch((error: unknown) => {
      throw imageError('IMAGE_UNREADABLE', 422, file, `is damaged: ${oneLine(error)}`)
    })
  if (!allowedFormats.has(format)) throw imageError('IMAGE_UNSUPPORTED', 415, file, `is ${format}, not PNG, JPEG or WebP`)
  if (width * height > maxPixels)
    throw imageError('IMAGE_TOO_LARGE', 413, file, `has ${width}×${height} pixels; at most ${maxPixels / 1e6} million are allowed`)
  if ((pages ?? 1) > 1) throw imageError('IMAGE_UNSUPPORTED', 415, file, 'is an animation; send a single image')
}

function sniffFormat(bytes: Uint8Array): 'png' | 'jpeg' | 'webp' | null {
  const begins = (offset: number, ...signature: number[]) => signature.every((byte, i) => bytes[offset + i] === byte)
  if (begins(0, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'png'
  if (begins(0, 0xff, 0xd8, 0xff)) return 'jpeg'
  if (begins(0, 0x52, 0x49, 0x46, 0x46) && begins(8, 0x57, 0x45, 0x42, 0x50)) return 'webp'
  return null
}

function imageError(code: string, status: number, file: ImageFile, detail: string): ApiError {
  const subject = file.bytes.length === 0 ? 'is empty' : detail
  return new ApiError(code, `${file.pointer.slice(1)} ${subject}`, { status, title, errors: [{ pointer: file.pointer, detail: subject }] })
}

function oneLine(error: unknown): string {
  return (error as Error).message.split('\n')[0]!.slice(0, 200)
}
