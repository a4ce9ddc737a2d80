import { type GreyMap, median } from './background.ts'
import { imageSide, inkBox, layOutDigit } from './digit-layout.ts'
import type { Bitmap } from './image-decoder.ts'
import { findInk, greyOf, removeSpecks } from './ink.ts'
import type { PreparedImage } from './prepared-image.ts'

/**
 * Makes an image that a person would send look like one of MNIST: white ink on black, fitted into 20×20 of 28×28 pixels and centred by mass.
 * Takes any size, either polarity, transparent and photographed backgrounds. An image that is 28×28 with a dark border passes as it is.
 */
export function prepareDigit(bitmap: Bitmap): PreparedImage {
  const grey = greyOf(bitmap)
  if (bitmap.width === imageSide && bitmap.height === imageSide && borderLevel(grey) < 64)
    return { pixels: Uint8Array.from(grey.values, Math.round), inverted: false, cropped: false }

  const ink = findInk(grey)
  if (!ink) return { pixels: new Uint8Array(imageSide * imageSide), inverted: false, cropped: false }
  if (isLaidOut(ink)) return { pixels: Uint8Array.from(grey.values, (value) => 255 - Math.round(value)), inverted: true, cropped: false }

  removeSpecks(ink)
  const box = inkBox(ink)
  if (!box) return { pixels: new Uint8Array(imageSide * imageSide), inverted: ink.inverted, cropped: false }
  return { pixels: layOutDigit(ink, box), inverted: ink.inverted, cropped: true }
}

/** Median grey level of the outermost pixels. */
function borderLevel({ width, height, values }: GreyMap): number {
  const isBorder = (i: number) => i < width || i >= values.length - width || i % width === 0 || i % width === width - 1
  return height > 0 ? median([...values].filter((_, i) => isBorder(i))) : 0
}

/** Whether this is an image of MNIST with its polarity turned: right size, ink where MNIST has it. */
function isLaidOut(ink: GreyMap & { inverted: boolean }): boolean {
  if (!ink.inverted || ink.width !== imageSide || ink.height !== imageSide) return false
  const box = inkBox(ink)
  if (!box) return false
  const size = Math.max(box.right - box.left, box.bottom - box.top)
  const offCentre = Math.max(Math.abs(box.left + box.right - imageSide), Math.abs(box.top + box.bottom - imageSide)) / 2
  return size >= 18 && size <= 22 && offCentre <= 4
}
