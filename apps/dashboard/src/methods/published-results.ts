import type { EmbeddingKind, Method } from '@noprop/contract'

/**
 * Accuracies in per cent that the NoProp paper printed in its Table 1 (the same in both versions), its own and those that it quotes of
 * other work. Published by its authors, not measured here. ± is the spread over 15 values (3 seeds, 5 inference runs each).
 */
export const paperSource = { name: 'arXiv:2503.24322, Table 1', url: 'https://arxiv.org/abs/2503.24322' } as const

type PublishedDataset = 'mnist' | 'cifar-10' | 'cifar-100'

export interface Accuracy {
  /** per cent */
  mean: number
  /** ± as printed, in percentage points; none for what the paper quotes */
  spread?: number
}

export interface PublishedResult {
  label: string
  /** what of this product it corresponds to; nothing for methods that are not in it */
  method?: Method
  /** none for Forward-Forward, which has no label embedding */
  embedding?: EmbeddingKind
  /** Accuracy on the test set. A set is missing where the paper gives no figure. */
  test: Partial<Record<PublishedDataset, Accuracy>>
}

type Printed = readonly [mean: number, spread: number]

function ownRow(
  label: string,
  method: Method,
  embedding: EmbeddingKind,
  mnist: Printed,
  cifar10: Printed,
  cifar100: Printed,
): PublishedResult {
  const accuracy = ([mean, spread]: Printed): Accuracy => ({ mean, spread })
  return { label, method, embedding, test: { mnist: accuracy(mnist), 'cifar-10': accuracy(cifar10), 'cifar-100': accuracy(cifar100) } }
}

/** In the order of the table. */
export const publishedResults: readonly PublishedResult[] = [
  ownRow('Backprop, one-hot', 'backprop', 'one-hot', [99.46, 0.06], [79.92, 0.14], [45.85, 2.07]),
  ownRow('Backprop, dim=20', 'backprop', 'learned', [99.43, 0.03], [79.3, 0.52], [46.57, 0.87]),
  ownRow('Backprop, prototype', 'backprop', 'prototype', [99.44, 0.05], [79.58, 0.44], [47.8, 0.19]),
  ownRow('NoProp-DT, one-hot', 'noprop-dt', 'one-hot', [99.47, 0.05], [79.25, 0.28], [45.93, 0.46]),
  ownRow('NoProp-DT, dim=20', 'noprop-dt', 'learned', [99.49, 0.04], [79.12, 0.37], [45.19, 0.22]),
  ownRow('NoProp-DT, prototype', 'noprop-dt', 'prototype', [99.54, 0.04], [80.54, 0.2], [46.06, 0.25]),
  ownRow('Adjoint, one-hot', 'adjoint', 'one-hot', [98.62, 0.14], [66.78, 0.76], [25.03, 0.7]),
  ownRow('NoProp-CT, one-hot', 'noprop-ct', 'one-hot', [97.84, 0.71], [73.35, 0.55], [33.66, 0.5]),
  ownRow('NoProp-CT, dim=20', 'noprop-ct', 'learned', [97.7, 0.51], [71.77, 2.47], [33.99, 1.08]),
  ownRow('NoProp-CT, prototype', 'noprop-ct', 'prototype', [97.17, 0.94], [66.54, 3.63], [21.31, 4.17]),
  ownRow('NoProp-FM, one-hot', 'noprop-fm', 'one-hot', [99.21, 0.09], [73.14, 0.9], [6.38, 4.9]),
  ownRow('NoProp-FM, dim=20', 'noprop-fm', 'learned', [99.29, 0.05], [73.5, 0.28], [31.14, 0.52]),
  ownRow('NoProp-FM, prototype', 'noprop-fm', 'prototype', [98.52, 0.16], [75.18, 0.57], [37.57, 0.32]),
  { label: 'Forward-Forward', method: 'forward-forward', test: { mnist: { mean: 98.63 } } },
  { label: 'Forward Gradient, LG-FG-A', test: { mnist: { mean: 97.45 }, 'cifar-10': { mean: 69.32 } } },
  { label: 'Difference Target Propagation', test: { mnist: { mean: 98.06 }, 'cifar-10': { mean: 50.71 } } },
]

/** What the paper has for a data set, in its order; empty for a set that it does not treat. */
export function publishedFor(dataset: string): { result: PublishedResult; accuracy: Accuracy }[] {
  return publishedResults.flatMap((result) => {
    const accuracy = result.test[dataset as PublishedDataset]
    return accuracy ? [{ result, accuracy }] : []
  })
}

/** The paper's figure for a method and embedding. A learned embedding counts with the paper's 20 dimensions, whatever a run has. */
export function publishedAccuracy(
  dataset: string,
  { method, embedding }: { method: Method; embedding: EmbeddingKind },
): Accuracy | undefined {
  return publishedFor(dataset).find(({ result }) => corresponds(result, { method, embedding }))?.accuracy
}

export function corresponds(result: PublishedResult, { method, embedding }: { method: Method; embedding: EmbeddingKind }): boolean {
  return result.method === method && (result.embedding === undefined || result.embedding === embedding)
}

/** `99.47 ± 0.05 %`, as printed */
export function formatAccuracy({ mean, spread }: Accuracy): string {
  return `${mean.toFixed(2)}${spread === undefined ? '' : ` ± ${spread.toFixed(2)}`} %`
}
