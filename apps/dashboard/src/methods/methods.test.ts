import { Method, type RunConfig } from '@noprop/contract'
import { describe, expect, test } from 'vitest'
import {
  decodingLabel,
  embeddingLabel,
  howItLearns,
  methodOrder,
  noiseLabel,
  sharedParts,
  stepLabel,
  takesTurns,
  unitLabel,
  unitsOf,
} from './methods.ts'

const run = (config: Partial<RunConfig>, blocks: number[] = []) => ({
  config: { method: 'noprop-dt', embedding: 'one-hot', blocks: 3, ...config } as RunConfig,
  blocks: blocks.map((block) => ({ block, epoch: 0, step: 0, trainer: null })),
})

test('every method of the contract is offered, and says how it learns', () => {
  expect([...methodOrder].sort()).toEqual([...Method.enum].sort())
  for (const method of methodOrder) expect(howItLearns({ method, embedding: 'one-hot' }).length).toBeGreaterThan(30)
})

describe('unitsOf', () => {
  test('blocks with a fixed embedding learn alone, and so does the head', () => {
    expect(unitsOf(run({}))).toEqual([1, 2, 3, 0])
    expect(takesTurns({ method: 'noprop-dt', embedding: 'one-hot' })).toBe(false)
  })

  test('with a trained embedding the head is no unit of its own, and blocks take turns', () => {
    expect(unitsOf(run({ embedding: 'learned' }))).toEqual([1, 2, 3])
    expect(takesTurns({ method: 'noprop-dt', embedding: 'prototype' })).toBe(true)
  })

  test('one network is one unit, however many blocks the configuration names', () => {
    for (const method of ['noprop-ct', 'noprop-fm', 'backprop', 'adjoint', 'forward-forward'] as const)
      expect(unitsOf(run({ method }))).toEqual([1])
  })

  test('what a trainer reports beyond that is there too', () => {
    expect(unitsOf(run({ method: 'noprop-fm' }, [0, 1]))).toEqual([1, 0])
  })
})

test('independence is claimed for discrete time with a fixed embedding only', () => {
  const claims = methodOrder.flatMap((method) =>
    (['one-hot', 'learned', 'prototype'] as const)
      .filter((embedding) => howItLearns({ method, embedding }).includes('learn alone'))
      .map((embedding) => [method, embedding]),
  )
  expect(claims).toEqual([['noprop-dt', 'one-hot']])
})

test('what is one network is not called a block, and a small step is not either', () => {
  expect([unitLabel('noprop-dt', 2), unitLabel('noprop-dt', 0), unitLabel('noprop-ct', 1)]).toEqual(['Block 2', 'Head', 'Network'])
  expect([stepLabel('noprop-dt', 3), stepLabel('backprop', 3), stepLabel('noprop-fm', 500)]).toEqual(['block 3', 'block 3', 'step 500'])
})

test('flow matching decodes by the nearest embedding, and its noise is in z_0', () => {
  expect([decodingLabel('noprop-fm'), decodingLabel('noprop-ct')]).toEqual(['Nearest embedding to z_T', 'Head on z_T'])
  expect(noiseLabel({ method: 'noprop-fm', sampler: 'eq3' })).toBe('noise in z_0')
  expect(noiseLabel({ method: 'noprop-ct', sampler: 'eq3' })).toBe('noise of Eq. 3')
  expect(noiseLabel({ method: 'noprop-ct', sampler: 'ode' })).toBe('noise in z_0')
})

test('the dimension is told of a learned embedding, where it is chosen', () => {
  const labelOf = (embedding: 'learned' | 'prototype') => embeddingLabel({ embedding, embedding_dim: 20 })
  expect([labelOf('learned'), labelOf('prototype')]).toEqual(['learned, dim=20', 'prototype'])
})

test('what learns besides the network is named', () => {
  expect(sharedParts({ method: 'noprop-dt', embedding: 'one-hot' })).toBe('head')
  expect(sharedParts({ method: 'noprop-fm', embedding: 'learned' })).toBe('embedding and head')
  expect(sharedParts({ method: 'noprop-ct', embedding: 'prototype' })).toBe('embedding, head and noise schedule')
  expect(sharedParts({ method: 'backprop', embedding: 'one-hot' })).toBe('head and mixing weights')
})
