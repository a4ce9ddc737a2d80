/** A grey image with values of any range, flat [height, width]. */
export interface GreyMap {
  readonly width: number
  readonly height: number
  readonly values: Float32Array
}

/** The background of an image, and how much it scatters around that. */
export interface Background {
  /** grey level of the background under each pixel */
  readonly values: Float32Array
  /** standard deviation of the background's own noise, grey levels */
  readonly noise: number
}

/** c₀ + c₁x + c₂y + c₃x² + c₄xy + c₅y², with x and y from −1 to 1 along the longer side */
type Surface = readonly [number, number, number, number, number, number]
const terms = 6

const fitRounds = 4
/** Grey levels that always count as background, so that a perfectly even one does not reject its own rounding. */
const minTolerance = 6
const maxSamples = 700

interface Samples {
  readonly x: Float64Array
  readonly y: Float64Array
  readonly value: Float64Array
}

/**
 * Fits a quadratic surface to the background: first to the border of the image, then to all pixels that are near the fit, again and again.
 * Lamps, vignettes and soft shadows on paper are such surfaces; ink, as long as it covers less than half, is left out as an outlier.
 */
export function fitBackground(grey: GreyMap): Background {
  const border = samplesAt(grey, borderPixels(grey))
  let surface: Surface = [median(border.value), 0, 0, 0, 0, 0]
  surface = fitWithin(border, surface, spread(border, surface))
  let noise = spread(border, surface)

  const all = samplesAt(grey, gridPixels(grey))
  for (let round = 0; round < fitRounds; round++) {
    surface = fitWithin(all, surface, noise)
    noise = Math.min(noise, spread(all, surface))
  }
  return { values: drawSurface(surface, grey), noise }
}

function borderPixels({ width, height }: GreyMap): number[] {
  const step = Math.max(1, Math.ceil((2 * (width + height)) / maxSamples))
  const pixels: number[] = []
  for (let column = 0; column < width; column += step) pixels.push(column, (height - 1) * width + column)
  for (let row = 0; row < height; row += step) pixels.push(row * width, row * width + width - 1)
  return pixels
}

function gridPixels({ width, height }: GreyMap): number[] {
  const step = Math.max(1, Math.ceil(Math.sqrt((width * height) / maxSamples)))
  const pixels: number[] = []
  for (let row = 0; row < height; row += step) for (let column = 0; column < width; column += step) pixels.push(row * width + column)
  return pixels
}

function samplesAt({ width, height, values }: GreyMap, pixels: readonly number[]): Samples {
  const scale = 2 / Math.max(width, height)
  return {
    x: Float64Array.from(pixels, (pixel) => ((pixel % width) - width / 2) * scale),
    y: Float64Array.from(pixels, (pixel) => (Math.floor(pixel / width) - height / 2) * scale),
    value: Float64Array.from(pixels, (pixel) => values[pixel]!),
  }
}

function drawSurface(surface: Surface, { width, height }: GreyMap): Float32Array {
  const scale = 2 / Math.max(width, height)
  const values = new Float32Array(width * height)
  for (let row = 0, i = 0; row < height; row++) {
    const y = (row - height / 2) * scale
    for (let column = 0; column < width; column++, i++) values[i] = evaluate(surface, (column - width / 2) * scale, y)
  }
  return values
}

/** Standard deviation of the residuals, from their median: almost half of them may be ink. */
function spread({ x, y, value }: Samples, surface: Surface): number {
  // 1.4826 × the median absolute deviation is the standard deviation of a normal distribution
  return 1.4826 * median(value.map((v, i) => Math.abs(v - evaluate(surface, x[i]!, y[i]!))))
}

export function median(values: ArrayLike<number>): number {
  return Float64Array.from(values).sort()[values.length >> 1] ?? 0
}

function evaluate(c: Surface, x: number, y: number): number {
  return c[0] + c[1] * x + c[2] * y + c[3] * x * x + c[4] * x * y + c[5] * y * y
}

/** Least squares, by the normal equations, on the samples near a surface; that surface itself where they do not determine another. */
function fitWithin({ x, y, value }: Samples, surface: Surface, noise: number): Surface {
  const limit = Math.max(minTolerance, 2.5 * noise)
  const rows = Array.from({ length: terms }, () => new Float64Array(terms + 1))
  const basis = new Float64Array(terms + 1)
  let count = 0
  for (let s = 0; s < value.length; s++) {
    const [px, py] = [x[s]!, y[s]!]
    if (Math.abs(value[s]! - evaluate(surface, px, py)) > limit) continue
    count++
    basis.set([1, px, py, px * px, px * py, py * py, value[s]!])
    for (let i = 0; i < terms; i++) for (let j = i; j <= terms; j++) rows[i]![j]! += basis[i]! * basis[j]!
  }
  for (let i = 0; i < terms; i++) for (let j = 0; j < i; j++) rows[i]![j] = rows[j]![i]!
  return (count >= 4 * terms && solve(rows)) || surface
}

/** Gauss–Jordan elimination with partial pivoting of an augmented matrix; null where it is singular. */
function solve(rows: Float64Array[]): Surface | null {
  const n = rows.length
  for (let i = 0; i < n; i++) {
    let pivot = i
    for (let k = i + 1; k < n; k++) if (Math.abs(rows[k]![i]!) > Math.abs(rows[pivot]![i]!)) pivot = k
    if (Math.abs(rows[pivot]![i]!) < 1e-6) return null
    ;[rows[i], rows[pivot]] = [rows[pivot]!, rows[i]!]
    for (let k = 0; k < n; k++) {
      if (k === i) continue
      const factor = rows[k]![i]! / rows[i]![i]!
      for (let j = i; j <= n; j++) rows[k]![j]! -= factor * rows[i]![j]!
    }
  }
  return rows.map((row, i) => row[n]! / row[i]!) as unknown as Surface
}
