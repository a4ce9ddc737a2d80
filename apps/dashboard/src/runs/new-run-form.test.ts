import type { Dataset, Preset, Run, RunConfig } from '@noprop/contract'
import { describe, expect, test } from 'vitest'
import { configFields } from './config-fields.ts'
import { exampleConfig } from './example-config.ts'
import { NewRunForm } from './new-run-form.svelte.ts'

const preset = (name: string, group: Preset['group'], datasets: string[], config: Partial<RunConfig> = {}) =>
  ({ name, group, datasets, title: name, description: '', estimates: [], config: { ...exampleConfig, ...config } }) as unknown as Preset
const presets = [
  preset('paper-dt', 'paper', ['mnist']),
  preset('quick', 'quick', ['mnist'], { blocks: 3, noise_samples: 4 }),
  preset('quick-digits', 'quick', ['synthetic-digits'], { blocks: 2 }),
]
const dataset = (name: string) =>
  ({ name, classes: [...'0123456789'], image_shape: [28, 28, 1], train_examples: 60_000, test_examples: 10_000 }) as unknown as Dataset
const newForm = (cloneOf?: Run) => new NewRunForm(presets, [dataset('mnist'), dataset('synthetic-digits')], cloneOf)
const field = (name: keyof RunConfig) => configFields.find((other) => other.name === name)!

describe('a new form', () => {
  test('begins with the first quick preset for its data set, not with a row of the paper', () => {
    expect(newForm().presetName).toBe('quick')
  })

  test('goes over to a preset for the data set that is chosen, and back', () => {
    const form = newForm()
    form.chooseDataset('synthetic-digits')
    expect([form.presetName, form.config.blocks]).toEqual(['quick-digits', 2])
  })

  test('keeps what was changed, when another data set is chosen', () => {
    const form = newForm()
    form.setText(field('epochs'), '7')
    form.chooseDataset('synthetic-digits')
    expect([form.presetName, form.config.epochs]).toEqual(['quick', 7])
  })
})

describe('fields without a part in the run', () => {
  test('are not shown, not sent, and cannot be wrong', () => {
    const form = newForm()
    form.setText(field('blocks'), 'many')
    expect(form.errors.has('/config/blocks')).toBe(true)
    form.setText(field('method'), 'noprop-fm')
    expect(form.isShown(field('blocks'))).toBe(false)
    expect(form.errors.size).toBe(0)
    expect(form.overrides).toEqual({ method: 'noprop-fm' })
  })
})

describe('with the learning library', () => {
  test('the parameters are counted, and steps of an epoch follow from the images', async () => {
    const form = newForm()
    expect(form.model).toBeUndefined()
    await form.loadLibrary()
    form.choosePreset('paper-dt')
    expect(form.model).toMatchObject({ model: { parameters: { total: 9_199_570, perBlock: 919_946 } } })
    expect(form.trainingSize).toEqual({ images: 60_000, batches: 468 })
  })

  test('a value that the contract allows and the library refuses is an error of its field', async () => {
    const form = newForm()
    await form.loadLibrary()
    form.setText(field('embedding'), 'learned')
    expect(form.errors.size).toBe(0)
    form.setText(field('embedding_init'), 'prototype')
    expect(form.errors.get('/config/embedding_init')).toMatch(/^Only an embedding as long as an image/)
    form.setText(field('embedding'), 'prototype')
    expect(form.errors.size).toBe(0)
  })
})

test('a clone of a run whose preset is gone sends everything', () => {
  const form = newForm({ dataset: 'mnist', preset: 'old', name: 'first', config: { ...exampleConfig, method: 'noprop-ct' } } as Run)
  expect(form.presetName).toBeUndefined()
  expect(form.name).toBe('first (copy)')
  expect(Object.keys(form.overrides)).toHaveLength(configFields.length)
})
