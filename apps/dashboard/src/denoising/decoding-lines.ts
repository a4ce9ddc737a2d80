import type { Evaluation, RunConfig } from '@noprop/contract'
import type { ChartLine } from '../charts/LineChart.svelte'
import { decodingLabel, isRandom, noiseLabel } from '../methods/methods.ts'

/** What of a run's configuration the names of the lines depend on. */
export type ChainConfig = Pick<RunConfig, 'method' | 'sampler'>

/** Where on the x axis the paper's decoding has its points: to the right of the last step, as far as half a step of a chain of blocks. */
export function decodingPlace(steps: readonly number[]): number {
  const last = steps.at(-1) ?? 1
  return last + Math.max(0.5, 0.04 * last)
}

/**
 * Accuracy after each reported step, noise-free and noisy, as lines; the paper's decoding of z_T as points to the right of the last
 * step. After a short chain the decoding may be far below the lines, which would then be flat: such a point is moved to the foot of
 * the chart, and its line's `told` keeps the value.
 */
export function decodingLines(
  { chain_steps: xs, noise_free, noisy }: Evaluation,
  config: ChainConfig,
  [free, noise]: readonly [string, string],
): ChartLine[] {
  const read = [...noise_free.after_step, ...noisy.after_step]
  const lowest = Math.min(...read)
  const span = Math.max(Math.max(...read) - lowest, 0.01)
  const foot = Math.max(0, lowest - span)
  const place = decodingPlace(xs)
  const decoding = decodingLabel(config.method)
  const noiseName = noiseLabel(config)
  const head = (key: string, label: string, color: string, value: number): ChartLine => ({
    key,
    label,
    color,
    markersOnly: true,
    points: { xs: [place], ys: [Math.max(value, foot)] },
    told: [value],
  })
  // without chance there is one chain, and its last estimate is the decision
  if (!isRandom(config.method)) return [{ key: 'free', label: 'After each block', color: free, points: { xs, ys: noise_free.after_step } }]
  return [
    { key: 'free', label: 'Noise-free', color: free, points: { xs, ys: noise_free.after_step } },
    { key: 'noisy', label: capitalized(noiseName), color: noise, dash: [6, 3], points: { xs, ys: noisy.after_step } },
    head('free-head', `${decoding}, noise-free`, free, noise_free.head),
    head('noisy-head', `${decoding}, ${noiseName}`, noise, noisy.head),
  ]
}

/** Whether a point is drawn elsewhere than its value would have it. */
export function isMoved(line: ChartLine): boolean {
  return line.told !== undefined && line.told[0] !== line.points.ys[0]
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
