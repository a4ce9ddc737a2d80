import type { Preset, RunConfig } from '@noprop/contract'
import { sameValue } from './config-fields.ts'
import type { FieldName } from './relevant-fields.ts'

/** Fields whose value the paper tells; presets have a value for the others, too, which is then a choice of ours. */
const stated: readonly FieldName[] = [
  'embedding_dim',
  'head',
  'inference_steps',
  'eta',
  'blocks',
  'channels',
  'features',
  'dropout',
  'epochs',
  'batch_size',
  'learning_rate',
  'optimizer',
  'weight_decay',
  'noise_samples',
  'augmentation',
]

/**
 * What the paper has in a field for this method and embedding: of the presets that are rows of its Table 1, those for the data set;
 * where it has none for that data set, what all of them have in common.
 *
 * @returns undefined where the paper says nothing, or different things
 */
export function paperValue(
  field: FieldName,
  { method, embedding }: Partial<RunConfig>,
  { presets, dataset }: { presets: readonly Preset[]; dataset: string },
): RunConfig[FieldName] | undefined {
  if (!stated.includes(field)) return undefined
  const rows = presets.filter(({ group, config }) => group === 'paper' && config.method === method && config.embedding === embedding)
  const ofDataset = rows.filter(({ datasets }) => (datasets as readonly string[]).includes(dataset))
  const values = (ofDataset.length > 0 ? ofDataset : rows).map(({ config }) => config[field])
  return values.length > 0 && values.every((value) => sameValue(value, values[0]!)) ? values[0] : undefined
}
