import type { CreateRun, Dataset, Preset, Run, RunConfig, RunConfigOverrides } from '@noprop/contract'
import { createRun } from '../api/endpoints.ts'
import { ApiError, splitByField } from '../api/problem.ts'
import { randomKey } from '../shared/random-key.ts'
import { configFields, parseField, sameValue, textOf, type ConfigField } from './config-fields.ts'

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

  #serverErrors = $state.raw<ReadonlyMap<string, string>>(new Map())
  #sent: { body: string; key: string } | undefined

  constructor(presets: readonly Preset[], datasets: readonly Dataset[], cloneOf?: Run) {
    this.presets = presets
    this.datasets = datasets
    this.datasetName = cloneOf?.dataset ?? datasets[0]?.name ?? ''
    this.presetName = cloneOf ? presets.find(({ name }) => name === cloneOf.preset)?.name : presets[0]?.name
    this.name = cloneOf ? copyName(cloneOf.name) : ''
    this.texts = textsOf(cloneOf?.config ?? presets[0]!.config)
  }

  readonly dataset = $derived.by(() => this.datasets.find(({ name }) => name === this.datasetName))
  readonly preset = $derived.by(() => this.presets.find(({ name }) => name === this.presetName))

  /** What is wrong with each field, by JSON Pointer of the request; what was typed wins over what the server said before. */
  readonly errors = $derived.by(() => {
    const errors = new Map(this.#serverErrors)
    for (const field of configFields) {
      const parsed = parseField(field, this.texts[field.name])
      if (!parsed.ok) errors.set(`/config/${field.name}`, parsed.message)
    }
    return errors
  })

  /** The whole configuration, as far as the fields can be read. */
  readonly config = $derived.by(() => {
    const entries = configFields.map((field) => [field.name, parseField(field, this.texts[field.name])] as const)
    return Object.fromEntries(entries.flatMap(([name, parsed]) => (parsed.ok ? [[name, parsed.value]] : []))) as Partial<RunConfig>
  })

  /** Fields that differ from the preset; without a preset, all. */
  readonly overrides = $derived.by((): RunConfigOverrides => {
    const base = this.preset?.config
    const entries = Object.entries(this.config) as [keyof RunConfig, RunConfig[keyof RunConfig]][]
    return Object.fromEntries(entries.filter(([name, value]) => !base || !sameValue(value, base[name]))) as RunConfigOverrides
  })

  readonly changedCount = $derived.by(() => (this.preset ? Object.keys(this.overrides).length : 0))

  isChanged(field: ConfigField): boolean {
    return this.preset !== undefined && this.texts[field.name].trim() !== textOf(this.preset.config[field.name])
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
