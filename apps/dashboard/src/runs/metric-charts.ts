import type { ChartLine } from '../charts/LineChart.svelte'
import { rampColors, rampDash } from '../charts/palette.ts'
import type { Points } from '../charts/series.ts'
import { smoothed } from '../charts/smoothing.ts'
import { formatDuration, formatInteger, formatNumber, formatPercentShort } from '../shared/format.ts'
import type { MetricStore } from './metric-store.ts'

export interface MetricChart {
  name: string
  title: string
  /** one line under the title */
  note: string
  format: (value: number) => string
  /** a logarithmic axis is offered; what the chart starts with */
  axis?: 'linear' | 'log'
  /** shown only once there are points */
  optional?: boolean
}

export const metricCharts: readonly MetricChart[] = [
  {
    name: 'denoising_loss',
    title: 'Denoising loss',
    note: 'Squared distance to the label embedding',
    format: formatNumber,
    axis: 'linear',
  },
  {
    name: 'accuracy',
    title: 'Accuracy',
    note: "Each block's own guess, on its training batches",
    format: formatPercentShort,
  },
  { name: 'weighted_loss', title: 'Weighted loss', note: 'Denoising loss times the SNR gain of Eq. 8', format: formatNumber, axis: 'log' },
  {
    name: 'gradient_norm',
    title: 'Gradient norm',
    note: 'Inside the block; none crosses to another',
    format: formatNumber,
    axis: 'linear',
  },
  { name: 'update_ratio', title: 'Update ratio', note: 'Size of an update over size of the weights', format: formatNumber },
  { name: 'step_seconds', title: 'Time of a step', note: 'Compute time of one optimizer step', format: formatDuration },
  {
    name: 'cross_entropy',
    title: 'Cross-entropy of the head',
    note: 'The shared classifier head on z_T',
    format: formatNumber,
    axis: 'linear',
    optional: true,
  },
  { name: 'images_per_second', title: 'Images per second', note: 'Through one block', format: formatInteger, optional: true },
  { name: 'learning_rate', title: 'Learning rate', note: 'As scheduled', format: formatNumber, optional: true },
]

export const blockKey = (block: number) => `block-${block}`
export const blockLabel = (block: number) => (block === 0 ? 'Head' : `Block ${block}`)

/** Colour and dash of each unit of a run: a ramp for blocks 1…T, plain ink for the shared head. */
export function unitStyles(blocks: number, dark: boolean): { block: number; color: string; dash: number[] | undefined }[] {
  const colors = rampColors(blocks, dark)
  const units = colors.map((color, index) => ({ block: index + 1, color, dash: rampDash(index, blocks) }))
  return [...units, { block: 0, color: dark ? '#c3c9d2' : '#4d5562', dash: [2, 3] }]
}

export interface LineOptions {
  blocks: number
  dark: boolean
  /** 0 … below 1 */
  smoothing: number
  hidden: ReadonlySet<string>
}

/**
 * Lines of one metric, a line for each unit that has it.
 * The head is updated once for each block and batch, so T times as often as a block: its steps are drawn divided by T.
 */
export function linesOf(metrics: MetricStore, name: string, { blocks, dark, smoothing, hidden }: LineOptions): ChartLine[] {
  const lines = new Map(metrics.lines(name))
  return unitStyles(blocks, dark).flatMap(({ block, color, dash }) => {
    const line = lines.get(block)
    if (!line) return []
    const key = blockKey(block)
    const points = block === 0 ? dividedSteps(line, blocks) : line
    return [{ key, label: blockLabel(block), color, dash, points: smoothed(points, smoothing), hidden: hidden.has(key) }]
  })
}

function dividedSteps(points: Points, divisor: number): Points {
  return { xs: points.xs.map((x) => x / divisor), ys: points.ys }
}
