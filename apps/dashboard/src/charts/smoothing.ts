import type { Points } from './series.ts'

/**
 * Exponential moving average, corrected for its start, so that the first point is the first value and not a part of it.
 *
 * @param weight of the past, 0 (no smoothing) … below 1
 */
export function smoothed(points: Points, weight: number): Points {
  if (weight <= 0) return points
  let average = 0
  let past = 1
  const ys = points.ys.map((y) => {
    average = weight * average + (1 - weight) * y
    past *= weight
    return average / (1 - past)
  })
  return { xs: points.xs, ys }
}
