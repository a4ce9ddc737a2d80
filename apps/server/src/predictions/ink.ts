import { fitBackground, type GreyMap } from './background.ts'
import type { Bitmap } from './image-decoder.ts'

/** How much ink is on each pixel, 0 … 1, and whether it was darker than its background. */
export interface Ink extends GreyMap {
  readonly inverted: boolean
}

/** Contrast below which an image counts as blank, grey levels. */
const minContrast = 20
/** Noise of a background, in grey levels, above which an image is taken for a photograph. */
const photoNoise = 1.5

/**
 * Grey levels of an image, 0 … 255.
 *
 * @param paper grey level that shows through where the image is transparent; by default the opposite of what is drawn: black ink lies on white,
 *   white ink on black
 */
export function greyOf(bitmap: Bitmap, paper = paperUnder(bitmap)): GreyMap {
  const { width, height, rgba } = bitmap
  const values = new Float32Array(width * height)
  for (let i = 0; i < values.length; i++) {
    const alpha = rgba[4 * i + 3]!
    const luma = lumaAt(rgba, i)
    values[i] = alpha < 255 ? (luma * alpha + paper * (255 - alpha)) / 255 : luma
  }
  return { width, height, values }
}

function paperUnder({ width, height, rgba }: Bitmap): number {
  let [ink, alphaSum] = [0, 0]
  for (let i = 0; i < width * height; i++) {
    const alpha = rgba[4 * i + 3]!
    ink += lumaAt(rgba, i) * alpha
    alphaSum += alpha
  }
  return alphaSum > 0 && ink / alphaSum < 128 ? 255 : 0
}

function lumaAt(rgba: Uint8Array, pixel: number): number {
  return (299 * rgba[4 * pixel]! + 587 * rgba[4 * pixel + 1]! + 114 * rgba[4 * pixel + 2]!) / 1000
}

/** Separates ink from background; null where there is nothing on the image. */
export function findInk(grey: GreyMap): Ink | null {
  const { width, height } = grey
  const background = fitBackground(grey)
  const floor = Math.max(8, 3 * background.noise)

  // signed distance from the background
  const values = new Float32Array(width * height)
  let [lighter, darker] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    const difference = grey.values[i]! - background.values[i]!
    values[i] = difference
    if (difference > floor) lighter += difference - floor
    else if (difference < -floor) darker -= difference + floor
  }

  const inverted = darker > lighter
  if (inverted) for (let i = 0; i < values.length; i++) values[i] = -values[i]!
  const peak = inkPeak(values, floor)
  if (peak < minContrast) return null

  // A photograph needs a threshold well above the texture of its paper; a drawing keeps its soft edges.
  const isPhoto = background.noise > photoNoise
  const low = isPhoto ? Math.min(0.5 * peak, Math.max(floor, 0.25 * peak)) : 0.03 * peak
  const high = isPhoto ? Math.max(low + 1, 0.85 * peak) : peak
  for (let i = 0; i < values.length; i++) values[i] = Math.min(1, Math.max(0, (values[i]! - low) / (high - low)))
  return { width, height, values, inverted }
}

/** The contrast of full ink: what a fifth of the inked pixels exceed, so that a few glints do not set the scale. */
function inkPeak(values: Float32Array, floor: number): number {
  const histogram = new Uint32Array(512)
  let inked = 0
  for (const value of values) {
    if (value <= floor) continue
    histogram[Math.min(511, Math.floor(value))]!++
    inked++
  }
  let level = histogram.length
  for (let above = 0; level > 0 && above <= 0.2 * inked;) above += histogram[--level]!
  return level
}

/** Clears dust, and what reaches in from the edge of the picture beside a whole digit. */
export function removeSpecks(ink: Ink): void {
  const { labels, components } = findComponents(ink)
  if (components.length < 2) return
  const largest = components.reduce((a, b) => (b.mass > a.mass ? b : a))
  const largestInside = components.filter((component) => !component.touchesEdge).reduce((a, b) => Math.max(a, b.mass), 0)
  const keep = components.map(
    ({ mass, touchesEdge }) => mass >= 0.04 * largest.mass && !(touchesEdge && largestInside >= 0.3 * largest.mass),
  )
  for (let i = 0; i < labels.length; i++) if (labels[i]! > 0 && !keep[labels[i]! - 1]) ink.values[i] = 0
}

interface Component {
  mass: number
  touchesEdge: boolean
}

/** Pixels with less ink than this count as empty. */
export const inkFloor = 0.08

/** Labels (1, 2, …; 0: no ink) of connected ink, diagonals included. */
function findComponents({ width, height, values }: GreyMap): { labels: Int32Array; components: Component[] } {
  const labels = new Int32Array(values.length)
  const components: Component[] = []
  // a picture that was cut out closely has its digit at the edge, give or take a soft pixel
  const rim = Math.max(1, Math.round(0.02 * Math.max(width, height)))
  const stack: number[] = []
  for (let start = 0; start < values.length; start++) {
    if (labels[start] !== 0 || values[start]! < inkFloor) continue
    const component: Component = { mass: 0, touchesEdge: false }
    components.push(component)
    labels[start] = components.length
    stack.push(start)
    while (stack.length > 0) {
      const i = stack.pop()!
      const column = i % width
      const row = (i - column) / width
      component.mass += values[i]!
      if (Math.min(column, row, width - 1 - column, height - 1 - row) < rim) component.touchesEdge = true
      for (let r = Math.max(0, row - 1); r <= Math.min(height - 1, row + 1); r++) {
        for (let c = Math.max(0, column - 1); c <= Math.min(width - 1, column + 1); c++) {
          const neighbour = r * width + c
          if (labels[neighbour] !== 0 || values[neighbour]! < inkFloor) continue
          labels[neighbour] = components.length
          stack.push(neighbour)
        }
      }
    }
  }
  return { labels, components }
}
