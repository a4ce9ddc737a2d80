import type { CreateRun, Dataset, Preset, Run, RunConfig, RunConfigOverrides } from '@noprop/contract'
import type * as Noprop from '@noprop/noprop'
import { createRun } from '../api/endpoints.ts'
import { ApiError, splitByField } from '../api/problem.ts'
import { randomKey } from '../shared/random-key.ts'
import { configFields, parseField, sameValue, textOf, type ConfigField } from './config-fields.ts'
import { describeModel, type ModelCheck } from './describe-model.ts'
import { counterpart, isMeantFor } from './preset-table.ts'
import { isRelevant } from './relevant-fields.ts'

type Texts = Record<keyof RunConfig, string>

const pointers: ReadonlySet<string> = new Set(['/name', '/dataset', '/preset', ...configFields.map(({ name }) => `/config/${name}`)])

/** What the user has filled in for a new run. Fields hold text; `config` is what they mean. */
export class NewRunForm {
  /** Their estimates may come later than the form. */
  presets = $state.raw<readonly Preset[]>([])
  readonly datasets: readonly Dataset[]
  datasetName = $state('')
  /** undefined: a clone of a run that had no preset */
  presetName = $state<string>()
  name = $state('')
  texts = $state<Texts>()!
  busy = $state(false)
  /** Messages of the server that belong to no field. */
  messages = $state.raw<string[]>([])

  /** The learning library, once it is here: it is large, and nothing but this form needs it. */
  #noprop = $state.raw<typeof Noprop>()
  #serverErrors = $state.raw<ReadonlyMap<string, string>>(new Map())
  #sent: { body: string; key: string } | undefined

  constructor(presets: readonly Preset[], datasets: readonly Dataset[], cloneOf?: Run) {
    this.presets = presets
    this.datasets = datasets
    this.datasetName = cloneOf?.dataset ?? datasets[0]?.name ?? ''
    const first = presets.find((preset) => preset.group === 'quick' && isMeantFor(preset, this.datasetName)) ?? presets[0]!
    this.presetName = cloneOf ? presets.find(({ name }) => name === cloneOf.preset)?.name : first.name
    this.name = cloneOf ? copyName(cloneOf.name) : ''
    this.texts = textsOf(cloneOf?.config ?? first.config)
  }

  /** Until it is here, the form works without its description of the network and its checks; the server checks, too. */
  async loadLibrary(): Promise<void> {
    this.#noprop = await import('@noprop/noprop')
  }

  readonly dataset = $derived.by(() => this.datasets.find(({ name }) => name === this.datasetName))
  readonly preset = $derived.by(() => this.presets.find(({ name }) => name === this.presetName))

  /** What the relevance of the other fields depends on. */
  readonly choices = $derived.by(() => {
    const { method, embedding, head, sampler } = this.texts
    return { method, embedding, head, sampler } as Pick<RunConfig, 'method' | 'embedding' | 'head' | 'sampler'>
  })

  /** The whole configuration, as far as the fields can be read. Fields without a part in it stay as in the preset. */
  readonly config = $derived.by(() => {
    const entries = configFields.map((field) => {
      const base = this.preset?.config
      if (base && !isRelevant(field.name, this.choices)) return [field.name, { ok: true, value: base[field.name] }] as const
      return [field.name, parseField(field, this.texts[field.name])] as const
    })
    return Object.fromEntries(entries.flatMap(([name, parsed]) => (parsed.ok ? [[name, parsed.value]] : []))) as Partial<RunConfig>
  })

  /** Training images, after the limit and the validation split, and the mini-batches that they make. */
  readonly trainingSize = $derived.by(() => {
    const { train_limit, validation_size, batch_size } = this.config
    if (!this.dataset || train_limit === undefined || validation_size === undefined || batch_size === undefined) return undefined
    const images = Math.max(0, Math.min(train_limit ?? Infinity, this.dataset.train_examples) - validation_size)
    return { images, batches: Math.floor(images / batch_size) }
  })

  /** The network that the fields describe; undefined while they cannot be read, or the library is not here yet. */
  readonly model = $derived.by((): ModelCheck | undefined => {
    if (!this.#noprop || !this.dataset || !this.trainingSize) return undefined
    if (Object.keys(this.config).length < configFields.length) return undefined
    return describeModel(this.#noprop, this.config as RunConfig, { dataset: this.dataset, batches: this.trainingSize.batches })
  })

  /** What is wrong with each field, by JSON Pointer of the request; what was typed wins over what the server said before. */
  readonly errors = $derived.by(() => {
    const errors = new Map(this.#serverErrors)
    if (this.model && 'error' in this.model && this.model.error.field)
      errors.set(`/config/${this.model.error.field}`, this.model.error.message)
    for (const field of configFields) {
      const parsed = parseField(field, this.texts[field.name])
      if (!parsed.ok && isRelevant(field.name, this.choices)) errors.set(`/config/${field.name}`, parsed.message)
    }
    return errors
  })

  /** Fields that differ from the preset; without a preset, all. */
  readonly overrides = $derived.by((): RunConfigOverrides => {
    const base = this.preset?.config
    const entries = Object.entries(this.config) as [keyof RunConfig, RunConfig[keyof RunConfig]][]
    return Object.fromEntries(entries.filter(([name, value]) => !base || !sameValue(value, base[name]))) as RunConfigOverrides
  })

  readonly changedCount = $derived.by(() => (this.preset ? Object.keys(this.overrides).length : 0))

  isShown(field: ConfigField): boolean {
    return isRelevant(field.name, this.choices)
  }

  isChanged(field: ConfigField): boolean {
    return this.preset !== undefined && this.texts[field.name].trim() !== textOf(this.preset.config[field.name])
  }

  /** Chooses a data set. A preset that is not meant for it gives way to its counterpart, unless fields were changed. */
  chooseDataset(name: string): void {
    this.datasetName = name
    this.forgetError('/dataset')
    const other = this.preset && counterpart(this.presets, this.preset, name)
    if (other && other !== this.preset && this.changedCount === 0) this.choosePreset(other.name)
  }

  /** Chooses a preset; the advanced fields become the preset's. */
  choosePreset(name: string): void {
    this.presetName = name
    this.resetConfig()
  }

  resetConfig(): void {
    if (this.preset) this.texts = textsOf(this.preset.config)
    this.#serverErrors = new Map()
  }

  setText(field: ConfigField, text: string): void {
    this.texts[field.name] = text
    this.forgetError(`/config/${field.name}`)
  }

  forgetError(pointer: string): void {
    if (!this.#serverErrors.has(pointer)) return
    const errors = new Map(this.#serverErrors)
    errors.delete(pointer)
    this.#serverErrors = errors
  }

  /** @returns the created run, or undefined when something has to be mended first (see `errors` and `messages`) */
  async submit(): Promise<Run | undefined> {
    this.messages = []
    // What the server refused before may have been right but for another field: it is asked again
    this.#serverErrors = new Map()
    if (this.errors.size > 0) return undefined
    this.busy = true
    const body = this.#body()
    try {
      return await createRun(body, this.#keyFor(body))
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      const { fields, rest } = splitByField(error.problem, pointers)
      this.#serverErrors = fields
      this.messages = rest
      return undefined
    } finally {
      this.busy = false
    }
  }

  #body(): CreateRun {
    const name = this.name.trim()
    return {
      dataset: this.datasetName as CreateRun['dataset'],
      ...(this.presetName === undefined ? {} : { preset: this.presetName }),
      ...(name === '' ? {} : { name }),
      ...(Object.keys(this.overrides).length === 0 ? {} : { config: this.overrides }),
    }
  }

  /** The same body keeps its key, so that a second press after a lost answer starts nothing twice. */
  #keyFor(body: CreateRun): string {
    const text = JSON.stringify(body)
    if (this.#sent?.body !== text) this.#sent = { body: text, key: randomKey() }
    return this.#sent.key
  }
}

function textsOf(config: RunConfig): Texts {
  return Object.fromEntries(configFields.map(({ name }) => [name, textOf(config[name])])) as Texts
}

function copyName(name: string): string {
  return name.endsWith(' (copy)') ? name : `${name} (copy)`.slice(0, 120)
}
