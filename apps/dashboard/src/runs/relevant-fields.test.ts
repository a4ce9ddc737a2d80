import type { RunConfig } from '@noprop/contract'
import { describe, expect, test } from 'vitest'
import { isRelevant, type FieldName } from './relevant-fields.ts'

type Choices = Parameters<typeof isRelevant>[1]
const choices = (change: Partial<Choices>): Choices => ({
  method: 'noprop-dt',
  embedding: 'one-hot',
  head: 'softmax',
  sampler: 'eq3',
  ...change,
})
const shown = (change: Partial<Choices>, fields: FieldName[]) => fields.filter((field) => isRelevant(field, choices(change)))
const ofMethods: FieldName[] = ['blocks', 'inference_steps', 'sampler', 'fm_sigma', 'eta']

test.each<[RunConfig['method'], FieldName[]]>([
  ['noprop-dt', ['blocks', 'eta']],
  ['noprop-ct', ['inference_steps', 'sampler', 'eta']],
  ['noprop-fm', ['inference_steps', 'fm_sigma']],
  ['backprop', ['blocks']],
  ['adjoint', ['inference_steps']],
  ['forward-forward', ['blocks']],
])('%s has %j of its own', (method, fields) => expect(shown({ method }, ofMethods)).toEqual(fields))

describe('embeddings', () => {
  const fields: FieldName[] = ['embedding_dim', 'embedding_init']

  test.each<[RunConfig['embedding'], FieldName[]]>([
    ['one-hot', []],
    ['learned', fields],
    ['prototype', ['embedding_init']],
  ])('%s has %j', (embedding, expected) => expect(shown({ embedding }, fields)).toEqual(expected))
})

test('the sigma of the radial head is asked for where there is such a head', () => {
  expect(shown({}, ['head', 'radial_sigma'])).toEqual(['head'])
  expect(shown({ head: 'radial' }, ['head', 'radial_sigma'])).toEqual(['head', 'radial_sigma'])
  expect(shown({ head: 'radial', method: 'noprop-fm' }, ['head', 'radial_sigma'])).toEqual([])
})

test('what every method has is always there', () => {
  for (const method of ['noprop-dt', 'adjoint', 'forward-forward'] as const)
    expect(shown({ method }, ['epochs', 'embedding', 'noise_samples'])).toHaveLength(3)
})
