/** One line of a chart: points sorted by step, at most one for each step. */
export interface Points {
  readonly xs: readonly number[]
  readonly ys: readonly number[]
}

/**
 * A line that grows at its end. A step that comes twice (a replayed event, a block that trains again from its checkpoint)
 * replaces its point, so nothing doubles; beyond `limit` points the line is thinned to half of that, keeping peaks.
 */
export class GrowingSeries implements Points {
  xs: number[] = []
  ys: number[] = []
  readonly #limit: number

  constructor(limit = 4000) {
    this.#limit = limit
  }

  add(step: number, value: number): void {
    const at = lowerBound(this.xs, step)
    if (this.xs[at] === step) {
      this.ys[at] = value
      return
    }
    this.xs.splice(at, 0, step)
    this.ys.splice(at, 0, value)
    if (this.xs.length > this.#limit) this.#thin()
  }

  #thin(): void {
    const { xs, ys } = thinned(this, this.#limit / 2)
    this.xs = [...xs]
    this.ys = [...ys]
  }
}

/** Index of the first element that is not below `x`; the length if all are. */
function lowerBound(sorted: readonly number[], x: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < x) low = middle + 1
    else high = middle
  }
  return low
}

/** Index of the element nearest to `x`, or −1 in an empty list. */
export function nearestIndex(sorted: readonly number[], x: number): number {
  const at = lowerBound(sorted, x)
  if (at === 0) return sorted.length === 0 ? -1 : 0
  if (at === sorted.length) return at - 1
  return x - sorted[at - 1]! <= sorted[at]! - x ? at - 1 : at
}

/** At most about `maxPoints` points: the line is cut into equal buckets, each of which keeps its lowest and its highest point. */
export function thinned(points: Points, maxPoints: number): Points {
  const count = points.xs.length
  if (count <= maxPoints) return points
  const buckets = Math.max(1, Math.floor(maxPoints / 2))
  const xs: number[] = []
  const ys: number[] = []
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = Math.floor((bucket * count) / buckets)
    const end = Math.floor(((bucket + 1) * count) / buckets)
    let low = start
    let high = start
    for (let i = start + 1; i < end; i++) {
      if (points.ys[i]! < points.ys[low]!) low = i
      if (points.ys[i]! > points.ys[high]!) high = i
    }
    for (const i of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) {
      xs.push(points.xs[i]!)
      ys.push(points.ys[i]!)
    }
  }
  return { xs, ys }
}

/** The points from `min` to `max`, and one more on either side, so that the line goes on to the edges. */
export function within(points: Points, min: number, max: number): Points {
  const start = Math.max(0, lowerBound(points.xs, min) - 1)
  let end = lowerBound(points.xs, max) + 1
  if (points.xs[end - 1] === max) end++
  return { xs: points.xs.slice(start, end), ys: points.ys.slice(start, end) }
}

/**
 * Columns for a chart so many pixels wide. Few points are kept where they are. Many are put into buckets that all lines share,
 * about two to a pixel, of which each line keeps its lowest and highest point: peaks stay, and ten long lines draw as fast as one.
 */
export function columnsFor(lines: readonly Points[], pixels: number): AlignedColumns {
  const buckets = Math.max(50, Math.floor(pixels))
  const total = lines.reduce((sum, line) => sum + line.xs.length, 0)
  if (total <= 2 * buckets || new Set(lines.flatMap((line) => line.xs)).size <= 2 * buckets) return aligned(lines)
  return bucketed(lines, buckets)
}

function bucketed(lines: readonly Points[], buckets: number): AlignedColumns {
  const first = Math.min(...lines.map((line) => line.xs[0] ?? Infinity))
  const last = Math.max(...lines.map((line) => line.xs.at(-1) ?? -Infinity))
  const width = (last - first) / buckets
  // two places in each bucket: what comes first of the lowest and the highest point, and what comes second
  const xs = Array.from({ length: 2 * buckets }, (_, i) => first + ((i + 0.5) / 2) * width)
  const columns = lines.map((line) => {
    const column = new Array<number | undefined>(xs.length).fill(undefined)
    let i = 0
    while (i < line.xs.length) {
      const bucket = Math.min(buckets - 1, Math.floor((line.xs[i]! - first) / width))
      let low = i
      let high = i
      for (i++; i < line.xs.length && (line.xs[i]! < first + (bucket + 1) * width || bucket === buckets - 1); i++) {
        if (line.ys[i]! < line.ys[low]!) low = i
        if (line.ys[i]! > line.ys[high]!) high = i
      }
      column[2 * bucket] = line.ys[Math.min(low, high)]
      if (low !== high) column[2 * bucket + 1] = line.ys[Math.max(low, high)]
    }
    return column
  })
  return [xs, ...columns]
}

export type AlignedColumns = [number[], ...(number | undefined)[][]]

/** Puts lines with different x on one x axis. `undefined` means that a line has no point there; it is drawn through. */
export function aligned(lines: readonly Points[]): AlignedColumns {
  const xs = [...new Set(lines.flatMap((line) => line.xs))].sort((a, b) => a - b)
  const columns = lines.map((line) => {
    const column = new Array<number | undefined>(xs.length).fill(undefined)
    let at = 0
    line.xs.forEach((x, i) => {
      while (xs[at]! < x) at++
      column[at] = line.ys[i]
    })
    return column
  })
  return [xs, ...columns]
}
