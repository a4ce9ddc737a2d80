import { RunConfig } from '@noprop/contract'

/** How the fields of a run's configuration are shown and read. Limits come from the contract's schema, so they are the server's own. */
export interface ConfigField {
  name: keyof RunConfig
  label: string
  unit?: string
  /** in place of the schema's own description */
  help?: string
  /** values that are ours, not the paper's: these choices, or numbers above the one that leaves it out */
  ours?: readonly string[] | 'above 0' | 'above 1'
  kind: 'integer' | 'number' | 'integers' | 'limit' | 'choice'
}

export interface FieldGroup {
  title: string
  fields: ConfigField[]
}

interface Limits {
  minimum?: number
  exclusiveMinimum?: number
  maximum?: number
  minItems?: number
}

interface FieldSchema extends Limits {
  description?: string
  enum?: readonly string[]
  items?: Limits
  anyOf?: readonly (Limits & { type?: string })[]
}

export const fieldGroups: FieldGroup[] = [
  {
    title: 'Method',
    fields: [
      { name: 'method', label: 'Method', kind: 'choice' },
      { name: 'embedding', label: 'Label embedding', kind: 'choice' },
      { name: 'embedding_dim', label: 'Embedding dimension', unit: 'd', help: 'Of the learned embedding', kind: 'integer' },
      {
        name: 'embedding_init',
        label: 'First embedding',
        help: 'What the trained embedding begins with; auto takes what the paper has',
        kind: 'choice',
      },
      { name: 'head', label: 'Head', kind: 'choice' },
      { name: 'radial_sigma', label: 'Radial sigma', unit: 'σ', help: 'σ of Eq. 16; the paper does not tell its own', kind: 'number' },
      { name: 'inference_steps', label: 'Inference steps', help: 'Of the chain; with adjoint of the training, too', kind: 'integer' },
      { name: 'sampler', label: 'Sampler', help: 'How the chain runs: by Eq. 3, or by the probability-flow ODE', kind: 'choice' },
      { name: 'fm_sigma', label: 'Flow sigma', unit: 'σ', help: 'σ of Eq. 11; the paper does not tell its own', kind: 'number' },
      { name: 'eta', label: 'Eta', unit: 'η', help: 'Weight of the denoising loss, η of Eqs. 8 and 9', kind: 'number' },
    ],
  },
  {
    title: 'Network',
    fields: [
      { name: 'blocks', label: 'Blocks', unit: 'T', help: 'One after another in the chain', kind: 'integer' },
      { name: 'channels', label: 'Channels', help: 'Output channels of the three convolutions', kind: 'integers' },
      { name: 'features', label: 'Features', help: 'Width of the fully connected layers', kind: 'integer' },
      { name: 'dropout', label: 'Dropout', help: 'In the image path', kind: 'number' },
    ],
  },
  {
    title: 'Training',
    fields: [
      { name: 'epochs', label: 'Epochs', kind: 'integer' },
      { name: 'batch_size', label: 'Batch size', unit: 'images', kind: 'integer' },
      { name: 'learning_rate', label: 'Learning rate', kind: 'number' },
      {
        name: 'learning_rate_schedule',
        label: 'Learning rate schedule',
        help: 'cosine decays to 0 over the run; the paper mentions no schedule',
        ours: ['cosine'],
        kind: 'choice',
      },
      { name: 'optimizer', label: 'Optimizer', help: 'adam takes the weight decay into the gradient, adamw apart from it', kind: 'choice' },
      { name: 'weight_decay', label: 'Weight decay', kind: 'number' },
      {
        name: 'noise_samples',
        label: 'Noise samples',
        unit: 'per image',
        help: 'Noise draws for each image in a step; with forward-forward, wrong labels',
        ours: 'above 1',
        kind: 'integer',
      },
      {
        name: 'augmentation',
        label: 'Augmentation',
        help: 'Random crops and mirror images of the training images',
        ours: ['crop', 'flip-crop'],
        kind: 'choice',
      },
      {
        name: 'ema_decay',
        label: 'Weight average',
        unit: 'decay',
        help: 'Predict with a moving average of the weights; 0: with the weights',
        ours: 'above 0',
        kind: 'number',
      },
      {
        name: 'label_smoothing',
        label: 'Label smoothing',
        help: 'Share of the target that goes to all classes alike',
        ours: 'above 0',
        kind: 'number',
      },
      { name: 'seed', label: 'Seed', kind: 'integer' },
    ],
  },
  {
    title: 'Data and evaluation',
    fields: [
      { name: 'train_limit', label: 'Training images', help: 'Empty: all of them', kind: 'limit' },
      { name: 'test_limit', label: 'Test images', help: 'Empty: all of them', kind: 'limit' },
      { name: 'validation_size', label: 'Validation images', kind: 'integer' },
      {
        name: 'evaluation_interval',
        label: 'Evaluation interval',
        unit: 'epochs',
        help: 'On the validation images, or the test images where none are held out; the last epoch is always tested',
        kind: 'integer',
      },
      { name: 'metrics_interval', label: 'Metrics interval', unit: 'steps', kind: 'integer' },
      { name: 'device', label: 'Device', help: 'What executes the training step; the System page tells what is there', kind: 'choice' },
    ],
  },
]

export const configFields: ConfigField[] = fieldGroups.flatMap((group) => group.fields)

export function schemaOf(name: keyof RunConfig): FieldSchema {
  return RunConfig.properties[name] as FieldSchema
}

export function optionsOf(field: ConfigField): readonly string[] {
  return schemaOf(field.name).enum ?? []
}

/** The text of an input for a value. */
export function textOf(value: RunConfig[keyof RunConfig]): string {
  if (value === null) return ''
  return Array.isArray(value) ? value.join(', ') : String(value)
}

export type Parsed = { ok: true; value: RunConfig[keyof RunConfig] } | { ok: false; message: string }

/** Reads what was typed into a field, within the limits of the contract. */
export function parseField(field: ConfigField, text: string): Parsed {
  const trimmed = text.trim()
  const schema = schemaOf(field.name)
  switch (field.kind) {
    case 'choice':
      return { ok: true, value: trimmed as RunConfig[keyof RunConfig] }
    case 'limit':
      if (trimmed === '') return { ok: true, value: null }
      return parseNumber(trimmed, true, schema.anyOf?.find((option) => option.type === 'integer') ?? {})
    case 'integers':
      return parseIntegers(trimmed, schema)
    default:
      return parseNumber(trimmed, field.kind === 'integer', schema)
  }
}

function parseIntegers(text: string, schema: FieldSchema): Parsed {
  const parts = text.split(/[\s,;×x]+/).filter(Boolean)
  if (parts.length !== schema.minItems) return { ok: false, message: `Give ${schema.minItems} numbers, such as 32, 64, 128.` }
  const values: number[] = []
  for (const part of parts) {
    const parsed = parseNumber(part, true, schema.items ?? {})
    if (!parsed.ok) return parsed
    values.push(parsed.value as number)
  }
  return { ok: true, value: values }
}

function parseNumber(text: string, integer: boolean, { minimum, exclusiveMinimum, maximum }: Limits): Parsed {
  const value = text === '' ? NaN : Number(text)
  if (!Number.isFinite(value)) return { ok: false, message: 'Give a number.' }
  if (integer && !Number.isInteger(value)) return { ok: false, message: 'Give a whole number.' }
  if (minimum !== undefined && value < minimum) return { ok: false, message: `At least ${minimum}.` }
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) return { ok: false, message: `More than ${exclusiveMinimum}.` }
  if (maximum !== undefined && value > maximum) return { ok: false, message: `At most ${maximum}.` }
  return { ok: true, value }
}

/** Whether a value is one that this product offers and the paper does not have. */
export function isOurs({ ours }: ConfigField, text: string): boolean {
  if (ours === undefined) return false
  if (typeof ours === 'string') return Number(text) > Number(ours.slice('above '.length))
  return ours.includes(text.trim())
}

/** Says which values of a field are ours; nothing where it has none. */
export function oursNote({ ours }: ConfigField): string | undefined {
  if (ours === undefined) return undefined
  if (typeof ours === 'string') return `${ours === 'above 0' ? 'Above 0' : 'More than 1'} is ours, not the paper’s.`
  return `${ours.join(' and ')} ${ours.length === 1 ? 'is' : 'are'} ours, not the paper’s.`
}

export function sameValue(a: RunConfig[keyof RunConfig], b: RunConfig[keyof RunConfig]): boolean {
  return textOf(a) === textOf(b)
}
