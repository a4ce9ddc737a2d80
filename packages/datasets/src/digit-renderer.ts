import { digitOutlines, type Stroke } from './digit-outlines.ts'
import type { Random } from './random.ts'

/**
 * Draws handwritten-looking digits. Only additions, multiplications, divisions and square roots, which IEEE 754 rounds the same way everywhere
 * (no sine, no exponential), and 8-bit results: so every machine draws the same bytes.
 */

export const imageSide = 28

/** As in MNIST: the ink fits into a box of 20 pixels, and its centre of mass is the centre of pixel (14, 14). */
const inkBox = 20
const middle = imageSide / 2 + 0.5

/** Width of the soft edge of a stroke, in pixels. */
const edge = 1.1

/** Knots along one side of the elastic displacement field. */
const knots = 4

/** Writes one image of 28×28 bytes, white ink on black, at `offset` of `out`. */
export function drawDigit(digit: number, random: Random, out: Uint8Array, offset: number): void {
  const variants = digitOutlines[digit]!
  const strokes = variants[random.below(variants.length)]!.map((stroke) => stroke.slice())
  deform(strokes, random)
  const radius = random.between(0.75, 1.75)
  fitInto(strokes, radius, random)
  rasterize(strokes, radius, random, out, offset)
}

/** Bends the strokes by a smooth random field, then turns, slants and stretches them. */
function deform(strokes: readonly Stroke[], random: Random): void {
  const field = Float64Array.from({ length: 2 * knots * knots }, () => random.between(-0.085, 0.085))
  // (1−h²)/(1+h²) and 2h/(1+h²) are the cosine and sine of the angle whose half has the tangent h
  const half = random.between(-0.13, 0.13)
  const cos = (1 - half * half) / (1 + half * half)
  const sin = (2 * half) / (1 + half * half)
  const slant = random.between(-0.32, 0.12)
  const stretch = random.between(0.78, 1.3)

  for (const stroke of strokes) {
    for (let i = 0; i < stroke.length; i += 2) {
      const x0 = stroke[i]!
      const y0 = stroke[i + 1]!
      const x1 = (x0 + fieldAt(field, 0, x0 + 0.15, y0)) * stretch
      const y1 = y0 + fieldAt(field, knots * knots, x0 + 0.15, y0)
      const x2 = x1 + slant * (y1 - 0.5)
      stroke[i] = cos * x2 - sin * y1
      stroke[i + 1] = sin * x2 + cos * y1
    }
  }
}

/** One component of the displacement field at a point of the unit square, between its knots by smooth interpolation. */
function fieldAt(field: Float64Array, start: number, x: number, y: number): number {
  const [column, fx] = knotOf(x)
  const [row, fy] = knotOf(y)
  const at = start + row * knots + column
  const top = field[at]! + fx * (field[at + 1]! - field[at]!)
  const bottom = field[at + knots]! + fx * (field[at + knots + 1]! - field[at + knots]!)
  return top + fy * (bottom - top)
}

/** The knot before a coordinate, and the smoothed way from it to the next. */
function knotOf(coordinate: number): [number, number] {
  const position = Math.min(0.9999, Math.max(0, coordinate)) * (knots - 1)
  const knot = Math.floor(position)
  const f = position - knot
  return [knot, f * f * (3 - 2 * f)]
}

/** Scales strokes of this radius to about 20 pixels and moves their centre of mass to about the middle of the image, as far as they stay inside it. */
function fitInto(strokes: readonly Stroke[], radius: number, random: Random): void {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
  let [mass, massX, massY] = [0, 0, 0]
  for (const stroke of strokes) {
    for (let i = 0; i < stroke.length; i += 2) {
      const x = stroke[i]!
      const y = stroke[i + 1]!
      left = Math.min(left, x)
      right = Math.max(right, x)
      top = Math.min(top, y)
      bottom = Math.max(bottom, y)
      if (i === 0) continue
      const length = Math.sqrt((x - stroke[i - 2]!) ** 2 + (y - stroke[i - 1]!) ** 2)
      mass += length
      massX += (length * (x + stroke[i - 2]!)) / 2
      massY += (length * (y + stroke[i - 1]!)) / 2
    }
  }
  const scale = ((inkBox - 2 * radius) * random.between(0.92, 1)) / Math.max(right - left, bottom - top)
  // a quarter more for the end of a stroke that the pen presses on, and an empty pixel around
  const margin = 1.25 * radius + edge + 1
  const shiftInside = (shift: number, low: number, high: number) =>
    Math.min(imageSide - margin - scale * high, Math.max(margin - scale * low, shift))
  const shiftX = shiftInside(middle - (scale * massX) / mass + random.between(-0.6, 0.6), left, right)
  const shiftY = shiftInside(middle - (scale * massY) / mass + random.between(-0.6, 0.6), top, bottom)
  for (const stroke of strokes) {
    for (let i = 0; i < stroke.length; i += 2) {
      stroke[i] = stroke[i]! * scale + shiftX
      stroke[i + 1] = stroke[i + 1]! * scale + shiftY
    }
  }
}

/** How far each pixel lies inside the ink, in pixels; reused from image to image. */
const depth = new Float64Array(imageSide * imageSide)

function rasterize(strokes: readonly Stroke[], radius: number, random: Random, out: Uint8Array, offset: number): void {
  depth.fill(-edge)
  for (const stroke of strokes) {
    // The pen presses harder at one end.
    const taper = random.between(-0.25, 0.25) * radius
    for (let i = 2; i < stroke.length; i += 2) {
      const width = radius + taper * ((2 * i) / stroke.length - 1)
      addSegment(stroke[i - 2]!, stroke[i - 1]!, stroke[i]!, stroke[i + 1]!, width)
    }
  }
  const ink = random.between(215, 255)
  for (let k = 0; k < depth.length; k++) {
    const coverage = Math.min(1, Math.max(0, depth[k]! / edge + 0.5))
    out[offset + k] = coverage === 0 ? 0 : Math.min(255, Math.max(0, Math.round(coverage * (ink + random.between(-22, 22)))))
  }
}

/** Adds a thick line with round ends to the depth map. */
function addSegment(x0: number, y0: number, x1: number, y1: number, radius: number): void {
  const reach = radius + edge
  const left = Math.max(0, Math.floor(Math.min(x0, x1) - reach))
  const right = Math.min(imageSide - 1, Math.ceil(Math.max(x0, x1) + reach))
  const top = Math.max(0, Math.floor(Math.min(y0, y1) - reach))
  const bottom = Math.min(imageSide - 1, Math.ceil(Math.max(y0, y1) + reach))
  const dx = x1 - x0
  const dy = y1 - y0
  const lengthSquared = dx * dx + dy * dy || 1

  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      // the centre of a pixel is half a pixel from its corner
      const px = column + 0.5 - x0
      const py = row + 0.5 - y0
      const t = Math.min(1, Math.max(0, (px * dx + py * dy) / lengthSquared))
      const ex = px - t * dx
      const ey = py - t * dy
      const inside = radius - Math.sqrt(ex * ex + ey * ey)
      const k = row * imageSide + column
      if (inside > depth[k]!) depth[k] = inside
    }
  }
}
