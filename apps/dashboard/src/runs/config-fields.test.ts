import { RunConfig } from '@noprop/contract'
import { describe, expect, test } from 'vitest'
import { configFields, optionsOf, parseField, textOf, type ConfigField } from './config-fields.ts'

const field = (name: keyof RunConfig): ConfigField => configFields.find((other) => other.name === name)!

test('every field of the configuration can be set, once', () => {
  expect(configFields.map(({ name }) => name).sort()).toEqual(Object.keys(RunConfig.properties).sort())
})

test('the choices are those of the contract', () => {
  expect(optionsOf(field('learning_rate_schedule'))).toEqual(['constant', 'cosine'])
})

describe('parseField', () => {
  test.each<[keyof RunConfig, string, unknown]>([
    ['epochs', '2', 2],
    ['learning_rate', '2e-3', 0.002],
    ['channels', '32, 64, 128', [32, 64, 128]],
    ['channels', '16 32 64', [16, 32, 64]],
    ['train_limit', '', null],
    ['train_limit', '500', 500],
    ['device', 'cpu', 'cpu'],
  ])('%s %j', (name, text, value) => expect(parseField(field(name), text)).toEqual({ ok: true, value }))

  test.each<[keyof RunConfig, string, string]>([
    ['epochs', '-1', 'At least 1.'],
    ['epochs', '1.5', 'Give a whole number.'],
    ['epochs', '', 'Give a number.'],
    ['blocks', '1e9', 'At most 100.'],
    ['eta', '0', 'More than 0.'],
    ['channels', '32, 64', 'Give 3 numbers, such as 32, 64, 128.'],
    ['channels', '32, 64, 512', 'At most 256.'],
    ['train_limit', '1', 'At least 2.'],
  ])('%s %j is refused: %s', (name, text, message) => expect(parseField(field(name), text)).toEqual({ ok: false, message }))

  test('reads what textOf writes', () => {
    for (const value of [
      [32, 64, 128],
      [1, 2, 3],
    ])
      expect(parseField(field('channels'), textOf(value))).toEqual({ ok: true, value })
    expect(parseField(field('test_limit'), textOf(null))).toEqual({ ok: true, value: null })
  })
})
