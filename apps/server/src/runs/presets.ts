import type { DatasetName, Preset, RunConfig } from '@noprop/contract'

export interface PresetDefinition {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly group: Preset['group']
  readonly datasets: readonly DatasetName[]
  readonly config: Readonly<RunConfig>
}

/** The paper's network and training for MNIST; where the paper leaves a choice open, PAPER.md's. */
const paper: RunConfig = {
  method: 'noprop-dt',
  embedding: 'one-hot',
  embedding_dim: 20,
  embedding_init: 'auto',
  head: 'softmax',
  radial_sigma: 1,
  blocks: 10,
  inference_steps: 1000,
  sampler: 'eq3',
  fm_sigma: 0,
  channels: [32, 64, 128],
  features: 256,
  dropout: 0.2,
  eta: 0.1,
  epochs: 100,
  batch_size: 128,
  learning_rate: 1e-3,
  learning_rate_schedule: 'constant',
  optimizer: 'adamw',
  weight_decay: 1e-3,
  noise_samples: 1,
  augmentation: 'none',
  ema_decay: 0,
  label_smoothing: 0,
  seed: 1,
  train_limit: null,
  test_limit: null,
  validation_size: 0,
  evaluation_interval: 1,
  metrics_interval: 20,
  device: 'cpu',
}

const quick: RunConfig = {
  ...paper,
  blocks: 3,
  channels: [16, 32, 64],
  epochs: 2,
  learning_rate: 2e-3,
  learning_rate_schedule: 'cosine',
  noise_samples: 4,
  validation_size: 5000,
}

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

const digits: readonly DatasetName[] = ['mnist', 'synthetic-digits']

/** Named starting points, in the order in which they are offered. */
export const presets: readonly PresetDefinition[] = [
  {
    name: 'quick',
    title: 'Quick',
    description: 'Three slim blocks, two passes over the data. Learns well in minutes on two cores.',
    group: 'quick',
    datasets: digits,
    config: quick,
  },
  {
    name: 'paper',
    title: 'Paper',
    description: 'The network and training of the NoProp paper (DT, one-hot labels): ten blocks, 100 epochs, constant learning rate.',
    group: 'paper',
    datasets: digits,
    config: paper,
  },
  {
    name: 'smoke',
    title: 'Smoke test',
    description:
      'Two tiny blocks on a few thousand images: seconds long, to check an installation or a pipeline. Its accuracy means little.',
    group: 'quick',
    datasets: digits,
    config: smoke,
  },
]

/** What a run is based on that names no preset. */
export const defaultPreset = presets[0]!

export function findPreset(name: string): PresetDefinition | undefined {
  return presets.find((preset) => preset.name === name)
}
