import type { RunConfig } from '@noprop/contract'

export type FieldName = keyof RunConfig

type Choices = Pick<RunConfig, 'method' | 'embedding' | 'head' | 'sampler'>

/** When a field has a part in a run; what is not listed always has. */
const conditions: Partial<Record<FieldName, (choices: Choices) => boolean>> = {
  blocks: ({ method }) => ['noprop-dt', 'backprop', 'forward-forward'].includes(method),
  inference_steps: ({ method }) => ['noprop-ct', 'noprop-fm', 'adjoint'].includes(method),
  sampler: ({ method }) => method === 'noprop-ct',
  fm_sigma: ({ method }) => method === 'noprop-fm',
  eta: ({ method }) => method === 'noprop-dt' || method === 'noprop-ct',
  embedding_dim: ({ embedding }) => embedding === 'learned',
  embedding_init: ({ embedding }) => embedding !== 'one-hot',
  head: hasHead,
  radial_sigma: (choices) => hasHead(choices) && choices.head === 'radial',
  label_smoothing: ({ method }) => method !== 'forward-forward',
}

/** Flow matching decodes by the nearest embedding, and has a head in training only, where the embedding is trained. */
function hasHead({ method, embedding }: Choices): boolean {
  if (method === 'noprop-fm') return embedding !== 'one-hot'
  return method !== 'forward-forward'
}

/** Whether a field changes anything, with what else is chosen. */
export function isRelevant(field: FieldName, choices: Choices): boolean {
  return conditions[field]?.(choices) ?? true
}
