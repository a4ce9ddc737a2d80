import type { DatasetName, Preset, RunConfig } from '@noprop/contract'
import { datasetCatalog } from '@noprop/datasets'
import { paperConfig, paperPresets } from './paper-presets.ts'

export interface PresetDefinition {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly group: Preset['group']
  readonly datasets: readonly DatasetName[]
  readonly config: Readonly<RunConfig>
}

const quick: RunConfig = {
  ...paperConfig,
  blocks: 3,
  channels: [16, 32, 64],
  epochs: 2,
  learning_rate: 2e-3,
  learning_rate_schedule: 'cosine',
  noise_samples: 4,
  validation_size: 5000,
}

/**
 * For grey images. Two blocks, so that two cores finish each pass together; so little dropout, because so few steps do not overfit.
 * Nothing is held out: every pass is evaluated on the test set, and none of these evaluations chooses anything.
 */
const express: RunConfig = {
  ...quick,
  blocks: 2,
  channels: [8, 24, 48],
  features: 64,
  dropout: 0.1,
  epochs: 3,
  learning_rate: 3e-3,
  validation_size: 0,
}

/** One network with a chain of many small steps: fewer than the paper's 1000, so that an evaluation does not take longer than the training. */
const quickContinuous: RunConfig = { ...quick, optimizer: 'adam', eta: 1, inference_steps: 100 }

const smoke: RunConfig = {
  ...quick,
  blocks: 2,
  channels: [8, 16, 32],
  features: 64,
  epochs: 1,
  batch_size: 64,
  train_limit: 2000,
  test_limit: 1000,
  validation_size: 500,
  metrics_interval: 5,
}

const everyDataset = Object.keys(datasetCatalog) as DatasetName[]
const quickFor = { group: 'quick', datasets: everyDataset } as const

/** Named starting points, in the order in which they are offered. */
export const presets: readonly PresetDefinition[] = [
  {
    name: 'quick',
    title: 'Quick',
    description: 'Three slim blocks that learn independently, two passes over the data. Learns well in minutes on two cores.',
    ...quickFor,
    config: quick,
  },
  {
    name: 'quick-express',
    title: 'Quick, express',
    description: 'Two narrow blocks, three short passes with an evaluation after each. The fastest way to a good network for grey images.',
    group: 'quick',
    datasets: ['mnist', 'fashion-mnist', 'synthetic-digits'],
    config: express,
  },
  {
    name: 'quick-learned',
    title: 'Quick, learned labels',
    description: 'The same blocks with a label embedding of 20 dimensions that is trained. They share it, and so they take turns.',
    ...quickFor,
    config: { ...quick, embedding: 'learned' },
  },
  {
    name: 'quick-prototype',
    title: 'Quick, prototypes',
    description: 'The same blocks with labels that begin as one training image of each class and are trained.',
    ...quickFor,
    config: { ...quick, embedding: 'prototype', noise_samples: 1 },
  },
  {
    name: 'quick-ct',
    title: 'Quick, continuous time',
    description: 'NoProp-CT: one slim network for all times, with a noise schedule that is learned, and a chain of 100 steps.',
    ...quickFor,
    config: { ...quickContinuous, method: 'noprop-ct' },
  },
  {
    name: 'quick-fm',
    title: 'Quick, flow matching',
    description: 'NoProp-FM: one slim network that learns the way from noise to the label, and a chain of 100 steps.',
    ...quickFor,
    config: { ...quickContinuous, method: 'noprop-fm' },
  },
  {
    name: 'quick-backprop',
    title: 'Quick, back-propagation',
    description: 'Baseline: the blocks of Quick, trained end to end.',
    ...quickFor,
    config: { ...quick, method: 'backprop', noise_samples: 1 },
  },
  {
    name: 'quick-adjoint',
    title: 'Quick, adjoint',
    description: 'Baseline: the network as a differential equation, trained through ten steps by the adjoint sensitivity method.',
    ...quickFor,
    config: { ...quick, method: 'adjoint', noise_samples: 1, inference_steps: 10 },
  },
  {
    name: 'quick-forward-forward',
    title: 'Quick, forward-forward',
    description: 'Baseline: layers that learn one by one to tell right labels from wrong ones.',
    ...quickFor,
    config: { ...quick, method: 'forward-forward', noise_samples: 1 },
  },
  {
    name: 'smoke',
    title: 'Smoke test',
    description:
      'Two tiny blocks on a few thousand images: seconds long, to check an installation or a pipeline. Its accuracy means little.',
    ...quickFor,
    config: smoke,
  },
  ...paperPresets,
]

/** Those whose steps are timed when a server starts for the first time; of the others a run is measured when there is one. */
export const timedPresets = presets.filter(({ group, name }) => group === 'quick' || name === 'paper-dt-mnist-onehot')

/** What a run is based on that names no preset. */
export const defaultPreset = presets[0]!

export function findPreset(name: string): PresetDefinition | undefined {
  return presets.find((preset) => preset.name === name)
}
