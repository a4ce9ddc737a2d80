import type { DatasetName, RunConfig } from '@noprop/contract'
import type { PresetDefinition } from './presets.ts'

/** The paper's network and training for MNIST in discrete time; where the paper leaves a choice open, ours. */
export const paperConfig: Readonly<RunConfig> = {
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

type Family = 'dt' | 'backprop' | 'ct' | 'fm' | 'adjoint'

const embeddings = {
  onehot: { embedding: 'one-hot', title: 'one-hot' },
  dim20: { embedding: 'learned', title: '20 dimensions' },
  prototype: { embedding: 'prototype', title: 'prototypes' },
} as const

type EmbeddingKey = keyof typeof embeddings

const families: Readonly<Record<Family, { title: string; method: RunConfig['method']; embeddings: readonly EmbeddingKey[] }>> = {
  dt: { title: 'NoProp-DT', method: 'noprop-dt', embeddings: ['onehot', 'dim20', 'prototype'] },
  backprop: { title: 'Back-propagation', method: 'backprop', embeddings: ['onehot', 'dim20', 'prototype'] },
  ct: { title: 'NoProp-CT', method: 'noprop-ct', embeddings: ['onehot', 'dim20', 'prototype'] },
  fm: { title: 'NoProp-FM', method: 'noprop-fm', embeddings: ['onehot', 'dim20', 'prototype'] },
  adjoint: { title: 'Adjoint sensitivity', method: 'adjoint', embeddings: ['onehot'] },
}

interface PaperDataset {
  readonly key: string
  readonly title: string
  readonly dataset: DatasetName
  readonly epochs: Readonly<Record<Family, number>>
}

/** Epochs of the paper's table of hyper-parameters. */
const datasets: readonly PaperDataset[] = [
  { key: 'mnist', title: 'MNIST', dataset: 'mnist', epochs: { dt: 100, backprop: 100, ct: 100, fm: 100, adjoint: 2 } },
  { key: 'cifar10', title: 'CIFAR-10', dataset: 'cifar-10', epochs: { dt: 150, backprop: 150, ct: 500, fm: 500, adjoint: 4 } },
  { key: 'cifar100', title: 'CIFAR-100', dataset: 'cifar-100', epochs: { dt: 150, backprop: 150, ct: 1000, fm: 1000, adjoint: 4 } },
]

/** What the paper reports on the test set, in percent, by row: MNIST, CIFAR-10, CIFAR-100. */
const reported: Readonly<Record<string, readonly [number, number, number]>> = {
  'dt-onehot': [99.47, 79.25, 45.93],
  'dt-dim20': [99.49, 79.12, 45.19],
  'dt-prototype': [99.54, 80.54, 46.06],
  'backprop-onehot': [99.46, 79.92, 45.85],
  'backprop-dim20': [99.43, 79.3, 46.57],
  'backprop-prototype': [99.44, 79.58, 47.8],
  'ct-onehot': [97.84, 73.35, 33.66],
  'ct-dim20': [97.7, 71.77, 33.99],
  'ct-prototype': [97.17, 66.54, 21.31],
  'fm-onehot': [99.21, 73.14, 6.38],
  'fm-dim20': [99.29, 73.5, 31.14],
  'fm-prototype': [98.52, 75.18, 37.57],
  'adjoint-onehot': [98.62, 66.78, 25.03],
}

/**
 * The rows of the paper's Table 1 that its authors ran themselves, at full length: `paper-<method>-<dataset>-<embedding>`.
 * How often they are evaluated is our choice: a chain of 1000 steps takes longer than an epoch, and with prototypes, where every step has convolutions, far longer.
 */
export const paperPresets: readonly PresetDefinition[] = datasets.flatMap((dataset, column) =>
  Object.entries(families).flatMap(([family, { embeddings: rows }]) =>
    rows.map((embedding) => paperPreset(family as Family, embedding, dataset, column)),
  ),
)

function paperPreset(
  family: Family,
  embeddingKey: EmbeddingKey,
  { key, title, dataset, epochs }: PaperDataset,
  column: number,
): PresetDefinition {
  const { method, title: methodTitle } = families[family]
  const { embedding, title: embeddingTitle } = embeddings[embeddingKey]
  const isContinuous = family === 'ct' || family === 'fm'
  const evaluations = embedding === 'prototype' ? 2 : 10
  return {
    name: `paper-${family}-${key}-${embeddingKey}`,
    title: `${methodTitle}, ${embeddingTitle}, ${title}`,
    description: `A row of the paper's Table 1 at full length: ${epochs[family]} epochs. It reports ${reported[`${family}-${embeddingKey}`]![column]} % on the test set.`,
    group: 'paper',
    datasets: [dataset],
    config: {
      ...paperConfig,
      method,
      embedding,
      epochs: epochs[family],
      ...(isContinuous ? { optimizer: 'adam', eta: 1, evaluation_interval: epochs[family] / evaluations } : {}),
    },
  }
}
