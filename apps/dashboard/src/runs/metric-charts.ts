import type { Method, RunConfig } from '@noprop/contract'
import type { ChartLine } from '../charts/LineChart.svelte'
import { rampColors, rampDash } from '../charts/palette.ts'
import type { Points } from '../charts/series.ts'
import { smoothed } from '../charts/smoothing.ts'
import { methods, unitLabel } from '../methods/methods.ts'
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
  hidden?: boolean
}

type Kind = Pick<RunConfig, 'method' | 'embedding'>

/** Metrics that are known by name, in the order of their charts. What a metric means may depend on the method. */
function knownCharts({ method, embedding }: Kind): MetricChart[] {
  const { oneNetwork } = methods[method]
  const oneLoss = method === 'backprop' || method === 'adjoint'
  return [
    {
      name: 'denoising_loss',
      title: 'Denoising loss',
      note: method === 'noprop-fm' ? 'Squared distance to the velocity from noise to label' : 'Squared distance to the label embedding',
      format: formatNumber,
      axis: 'linear',
    },
    {
      name: 'cross_entropy',
      title: oneLoss ? 'Cross-entropy' : 'Cross-entropy of the head',
      note: oneLoss ? 'Of the class at the end of the chain: the loss that trains everything' : crossEntropyOf(method),
      format: formatNumber,
      axis: 'linear',
    },
    { name: 'accuracy', title: 'Accuracy', note: `${ownGuess(method, oneNetwork)}, on the training batches`, format: formatPercentShort },
    {
      name: 'positive_goodness',
      title: 'Goodness, right labels',
      note: 'Of the last block, for images with their label',
      format: formatNumber,
    },
    {
      name: 'negative_goodness',
      title: 'Goodness, wrong labels',
      note: 'Of the last block, for images with another label',
      format: formatNumber,
    },
    {
      name: 'weighted_loss',
      // flow matching weighs nothing: it would be the first chart once more
      hidden: method === 'noprop-fm',
      title: method === 'forward-forward' ? 'Loss' : 'Weighted loss',
      note: weightedLossOf(method),
      format: formatNumber,
      axis: 'log',
    },
    { name: 'kl', title: 'KL of z_0', note: 'Divergence of the noisy end from the prior', format: formatNumber, axis: 'linear' },
    {
      name: 'gradient_norm',
      title: 'Gradient norm',
      note: gradientReach(method, embedding, oneNetwork),
      format: formatNumber,
      axis: 'linear',
    },
    { name: 'update_ratio', title: 'Update ratio', note: 'Size of an update over size of the weights', format: formatNumber },
    { name: 'step_seconds', title: 'Time of a step', note: 'Compute time of one optimizer step', format: formatDuration },
    {
      name: 'images_per_second',
      title: 'Images per second',
      note: oneNetwork ? 'Through the network' : 'Through one block',
      format: formatInteger,
    },
    { name: 'learning_rate', title: 'Learning rate', note: 'As scheduled', format: formatNumber },
    { name: 'gamma_0', title: 'Clean end of the schedule', note: 'γ_0, −log SNR at the label', format: formatNumber },
    { name: 'gamma_1', title: 'Noisy end of the schedule', note: 'γ_1, −log SNR at the noise', format: formatNumber },
  ]
}

function crossEntropyOf(method: Method): string {
  return method === 'noprop-fm' ? 'The classifier head on the estimate of z_1' : 'The shared classifier head on z_T'
}

function weightedLossOf(method: Method): string {
  if (method === 'forward-forward') return 'Sum of the losses of all blocks'
  return method === 'noprop-ct' ? "Denoising loss times the SNR's slope, Eq. 9" : 'Denoising loss times the SNR gain of Eq. 8'
}

function ownGuess(method: Method, oneNetwork: boolean): string {
  if (method === 'forward-forward') return 'Right label before a wrong one, in the last block'
  if (!oneNetwork) return "Each block's own guess"
  return methods[method].chainOf === 'step' && !methods[method].baseline ? 'Guess at the times that were drawn' : 'At the end of the chain'
}

function gradientReach(method: Method, embedding: RunConfig['embedding'], oneNetwork: boolean): string {
  if (method === 'backprop') return 'Of all blocks together'
  if (method === 'forward-forward') return 'Of all blocks; none crosses from one to another'
  if (oneNetwork) return 'Of the whole network'
  return method === 'noprop-dt' && embedding !== 'one-hot'
    ? 'Of the block itself, without what is shared'
    : 'Inside the block; none crosses to another'
}

/** What a run is expected to report, before it has. */
function expectedNames(method: Method): string[] {
  const common = ['accuracy', 'gradient_norm', 'update_ratio', 'step_seconds']
  if (method === 'forward-forward') return ['weighted_loss', ...common]
  return methods[method].baseline ? ['cross_entropy', ...common] : ['denoising_loss', 'weighted_loss', ...common]
}

/** The charts of a run: of what it has reported, known metrics first; before that, of what is to be expected. */
export function chartsOf(metrics: MetricStore, config: Kind): MetricChart[] {
  const reported = metrics.names()
  const names = new Set(reported.length > 0 ? reported : expectedNames(config.method))
  const known = knownCharts(config)
  const charts = known.filter(({ name, hidden }) => !hidden && (names.has(name) || metrics.lines(name).length > 0))
  const others = [...names].filter((name) => !known.some((chart) => chart.name === name))
  return [...charts, ...others.map((name): MetricChart => ({ name, title: titleOf(name), note: '', format: formatNumber }))]
}

/** `positive_goodness` → `Positive goodness` */
function titleOf(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ')
}

export const blockKey = (block: number) => `block-${block}`

export interface UnitStyle {
  block: number
  color: string
  dash: number[] | undefined
}

/** Colour and dash of each unit of a run: a ramp for the blocks, plain ink for the shared head. */
export function unitStyles(units: readonly number[], dark: boolean): UnitStyle[] {
  const count = units.filter((block) => block !== 0).length
  const colors = rampColors(count, dark)
  return units.map((block, index) =>
    block === 0
      ? { block, color: dark ? '#c3c9d2' : '#4d5562', dash: [2, 3] }
      : { block, color: colors[index]!, dash: rampDash(index, count) },
  )
}

export interface LineOptions {
  method: Method
  /** what is trained on its own, see unitsOf */
  units: readonly number[]
  dark: boolean
  /** 0 … below 1 */
  smoothing: number
  hidden: ReadonlySet<string>
}

/**
 * Lines of one metric, a line for each unit that has it.
 * The head is updated once for each block and batch, so T times as often as a block: its steps are drawn divided by T.
 */
export function linesOf(metrics: MetricStore, name: string, { method, units, dark, smoothing, hidden }: LineOptions): ChartLine[] {
  const lines = new Map(metrics.lines(name))
  const blocks = units.filter((block) => block !== 0).length
  return unitStyles(units, dark).flatMap(({ block, color, dash }) => {
    const line = lines.get(block)
    if (!line) return []
    const key = blockKey(block)
    const points = block === 0 ? dividedSteps(line, blocks) : line
    return [{ key, label: unitLabel(method, block), color, dash, points: smoothed(points, smoothing), hidden: hidden.has(key) }]
  })
}

function dividedSteps(points: Points, divisor: number): Points {
  return { xs: points.xs.map((x) => x / divisor), ys: points.ys }
}
