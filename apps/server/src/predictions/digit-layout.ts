import type { GreyMap } from './background.ts'
import { inkFloor } from './ink.ts'

export interface Box {
  readonly left: number
  readonly top: number
  /** exclusive */
  readonly right: number
  /** exclusive */
  readonly bottom: number
}

export const imageSide = 28
/** MNIST fits the ink into 20×20 pixels and puts its centre of mass into the centre of pixel (14, 14), as measured on its test images. */
const inkSide = 20
const middle = 14.5

/** A stroke thinner than this, in pixels of the final image, is thickened to it; nine in ten of MNIST are wider. */
const minStroke = 2

/** The smallest box around what is at least at a level; null where nothing is. */
export function inkBox({ width, height, values }: GreyMap, level = inkFloor): Box | null {
  let [left, top, right, bottom] = [width, height, 0, 0]
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0; column < width; column++, i++) {
      if (values[i]! < level) continue
      left = Math.min(left, column)
      right = Math.max(right, column + 1)
      top = Math.min(top, row)
      bottom = Math.max(bottom, row + 1)
    }
  }
  return right > left ? { left, top, right, bottom } : null
}

/** Lays ink out as MNIST does; values 0 … 1 in, bytes out. */
export function layOutDigit(ink: GreyMap, box: Box): Uint8Array {
  const scale = inkSide / Math.max(box.right - box.left, box.bottom - box.top)
  const thickened = thicken(ink, box, scale)
  const width = Math.max(1, Math.round((thickened.box.right - thickened.box.left) * thickened.scale))
  const height = Math.max(1, Math.round((thickened.box.bottom - thickened.box.top) * thickened.scale))
  const small = resample(thickened.ink, thickened.box, width, height)
  stretchContrast(small.values)
  return placeByMass(small)
}

/** Where a pen is so thin that scaling down would leave a grey haze, widens the stroke to what MNIST's pens draw. */
function thicken(ink: GreyMap, box: Box, scale: number): { ink: GreyMap; box: Box; scale: number } {
  const radius = Math.round((minStroke / scale - strokeWidth(ink, box)) / 2)
  if (radius < 1) return { ink, box, scale }
  const grown = {
    left: Math.max(0, box.left - radius),
    top: Math.max(0, box.top - radius),
    right: Math.min(ink.width, box.right + radius),
    bottom: Math.min(ink.height, box.bottom + radius),
  }
  return { ink: dilate(ink, radius), box: grown, scale: inkSide / Math.max(grown.right - grown.left, grown.bottom - grown.top) }
}

/** Mean width of the strokes in source pixels: twice their area by the length of their outline. */
function strokeWidth({ width, height, values }: GreyMap, box: Box): number {
  let [area, outline] = [0, 0]
  const valueAt = (column: number, row: number) =>
    column < 0 || row < 0 || column >= width || row >= height ? 0 : values[row * width + column]!
  for (let row = box.top - 1; row < box.bottom; row++) {
    for (let column = box.left - 1; column < box.right; column++) {
      const value = valueAt(column, row)
      area += value
      // the gradient, summed along an edge, is the length of that edge whatever its direction
      const dx = valueAt(column + 1, row) - value
      const dy = valueAt(column, row + 1) - value
      outline += Math.sqrt(dx * dx + dy * dy)
    }
  }
  return outline > 0 ? (2 * area) / outline : 0
}

/** Greatest value within a square, along rows and then along columns. */
function dilate({ width, height, values }: GreyMap, radius: number): GreyMap {
  const alongRows = new Float32Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const column = i % width
    const start = i - Math.min(radius, column)
    const end = i + Math.min(radius, width - 1 - column)
    let greatest = 0
    for (let k = start; k <= end; k++) if (values[k]! > greatest) greatest = values[k]!
    alongRows[i] = greatest
  }
  const result = new Float32Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / width)
    const start = i - width * Math.min(radius, row)
    const end = i + width * Math.min(radius, height - 1 - row)
    let greatest = 0
    for (let k = start; k <= end; k += width) if (alongRows[k]! > greatest) greatest = alongRows[k]!
    result[i] = greatest
  }
  return { width, height, values: result }
}

/** Scales a box of the map to another size; each target pixel is the mean of enough interpolated points to miss no source pixel. */
function resample(source: GreyMap, box: Box, width: number, height: number): GreyMap {
  const values = new Float32Array(width * height)
  const stepX = (box.right - box.left) / width
  const stepY = (box.bottom - box.top) / height
  const pointsX = Math.max(2, Math.ceil(stepX))
  const pointsY = Math.max(2, Math.ceil(stepY))
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      let sum = 0
      for (let py = 0; py < pointsY; py++) {
        const y = box.top + (row + (py + 0.5) / pointsY) * stepY
        for (let px = 0; px < pointsX; px++) sum += interpolate(source, box.left + (column + (px + 0.5) / pointsX) * stepX, y)
      }
      values[row * width + column] = sum / (pointsX * pointsY)
    }
  }
  return { width, height, values }
}

/** Bilinear; coordinates count from the corner of the map, so that the centre of its first pixel is (0.5, 0.5). */
function interpolate({ width, height, values }: GreyMap, x: number, y: number): number {
  const column = Math.min(width - 1, Math.max(0, x - 0.5))
  const row = Math.min(height - 1, Math.max(0, y - 0.5))
  const c0 = Math.floor(column)
  const r0 = Math.floor(row)
  const c1 = Math.min(width - 1, c0 + 1)
  const r1 = Math.min(height - 1, r0 + 1)
  const fx = column - c0
  const fy = row - r0
  const top = values[r0 * width + c0]! * (1 - fx) + values[r0 * width + c1]! * fx
  const bottom = values[r1 * width + c0]! * (1 - fx) + values[r1 * width + c1]! * fx
  return top * (1 - fy) + bottom * fy
}

/** Brings the darkest ink to 1, as far as it was dimmed by scaling down. */
function stretchContrast(values: Float32Array): void {
  const peak = values.reduce((a, b) => Math.max(a, b), 0)
  if (peak > 0) for (let i = 0; i < values.length; i++) values[i]! /= peak
}

function placeByMass({ width, height, values }: GreyMap): Uint8Array {
  let [mass, x, y] = [0, 0, 0]
  for (let i = 0; i < values.length; i++) {
    mass += values[i]!
    x += values[i]! * ((i % width) + 0.5)
    y += values[i]! * (Math.floor(i / width) + 0.5)
  }
  const left = placeInside(middle - x / mass, width)
  const top = placeInside(middle - y / mass, height)
  const out = new Uint8Array(imageSide * imageSide)
  for (let i = 0; i < values.length; i++) {
    const column = i % width
    const row = (i - column) / width
    out[(top + row) * imageSide + left + column] = Math.round(255 * values[i]!)
  }
  return out
}

function placeInside(offset: number, size: number): number {
  return Math.min(imageSide - size, Math.max(0, Math.round(offset)))
}
