import type { EmbeddingKind, Method, Preset } from '@noprop/contract'
import { methodOrder } from '../methods/methods.ts'

const embeddingOrder: readonly EmbeddingKind[] = ['one-hot', 'learned', 'prototype']

export interface PresetRow {
  method: Method
  /** in the order of the embeddings; a cell without presets is one that the paper does not have */
  cells: { embedding: EmbeddingKind; presets: Preset[] }[]
}

export function isMeantFor({ datasets }: Preset, dataset: string): boolean {
  return (datasets as readonly string[]).includes(dataset)
}

/** Data sets that have rows of the paper, in the order of the presets. */
export function paperDatasets(presets: readonly Preset[]): string[] {
  return [...new Set(presets.filter(({ group }) => group === 'paper').flatMap(({ datasets }) => datasets))]
}

/** The paper's rows for a data set as a table, a row for each method and a column for each embedding. */
export function presetTable(presets: readonly Preset[], dataset: string): PresetRow[] {
  const rows = presets.filter((preset) => preset.group === 'paper' && isMeantFor(preset, dataset))
  return methodOrder.flatMap((method) => {
    const ofMethod = rows.filter(({ config }) => config.method === method)
    if (ofMethod.length === 0) return []
    const cells = embeddingOrder.map((embedding) => ({
      embedding,
      presets: ofMethod.filter(({ config }) => config.embedding === embedding),
    }))
    return [{ method, cells }]
  })
}

/** What stands for a preset on another data set: the one of its group with the same method and embedding; for a quick one, else the first. */
export function counterpart(presets: readonly Preset[], preset: Preset, dataset: string): Preset | undefined {
  if (isMeantFor(preset, dataset)) return preset
  const { method, embedding, head } = preset.config
  const candidates = presets.filter((other) => other.group === preset.group && isMeantFor(other, dataset))
  const alike = candidates.filter(({ config }) => config.method === method && config.embedding === embedding)
  return alike.find(({ config }) => config.head === head) ?? alike[0] ?? (preset.group === 'quick' ? candidates[0] : undefined)
}
