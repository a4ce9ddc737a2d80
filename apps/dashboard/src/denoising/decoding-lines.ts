import type { Evaluation } from '@noprop/contract'
import type { ChartLine } from '../charts/LineChart.svelte'

/**
 * Accuracy after each block, noise-free and noisy, as lines; the paper's decoding (the head on z_T) as points to the right of the
 * last block. After a short chain the head may be far below the lines, which would then be flat: such a point is moved to the foot of
 * the chart, and its line's `told` keeps the value.
 */
export function decodingLines({ noise_free, noisy }: Evaluation, [free, noise]: readonly [string, string]): ChartLine[] {
  const blocks = noise_free.after_block.map((_, index) => index + 1)
  const read = [...noise_free.after_block, ...noisy.after_block]
  const lowest = Math.min(...read)
  const span = Math.max(Math.max(...read) - lowest, 0.01)
  const foot = Math.max(0, lowest - span)
  const head = (key: string, label: string, color: string, value: number): ChartLine => ({
    key,
    label,
    color,
    markersOnly: true,
    points: { xs: [blocks.length + 0.5], ys: [Math.max(value, foot)] },
    told: [value],
  })
  return [
    { key: 'free', label: 'Noise-free', color: free, points: { xs: blocks, ys: noise_free.after_block } },
    { key: 'noisy', label: 'Noise of Eq. 3', color: noise, dash: [6, 3], points: { xs: blocks, ys: noisy.after_block } },
    head('free-head', 'Head on z_T, noise-free', free, noise_free.head),
    head('noisy-head', 'Head on z_T, noise of Eq. 3', noise, noisy.head),
  ]
}

/** Whether a point is drawn elsewhere than its value would have it. */
export function isMoved(line: ChartLine): boolean {
  return line.told !== undefined && line.told[0] !== line.points.ys[0]
}
