import type { RunConfig } from '@noprop/contract'
import * as noprop from '@noprop/noprop'
import { describe, expect, test } from 'vitest'
import { methodOrder, unitsOf } from '../methods/methods.ts'
import { describeModel, type ModelCheck } from './describe-model.ts'
import { exampleConfig as config } from './example-config.ts'

const digits = { image_shape: [28, 28, 1], classes: Array.from({ length: 10 }, (_, i) => String(i)) }
const photos = { image_shape: [32, 32, 3], classes: Array.from({ length: 100 }, (_, i) => String(i)) }
const check = (change: Partial<RunConfig>, dataset = digits) => describeModel(noprop, { ...config, ...change }, { dataset, batches: 468 })

function modelOf(result: ModelCheck) {
  if ('error' in result) throw new Error(result.error.message)
  return result.model
}

describe('describeModel', () => {
  test("counts the paper's blocks on MNIST and on CIFAR-100", () => {
    expect(modelOf(check({})).parameters).toEqual({ total: 9_199_460 + 110, perBlock: 919_946, shared: 110 })
    expect(modelOf(check({}, photos)).parameters.perBlock).toBe(1_250_084)
  })

  test('tells what is trained on its own: T blocks and the head, or with a trained embedding the blocks alone', () => {
    const units = modelOf(check({ blocks: 2 })).units
    expect(units.filter(({ block }) => block !== 0)).toEqual([1, 2].map((block) => ({ block, stepsPerEpoch: 468 })))
    expect(units.find(({ block }) => block === 0)).toEqual({ block: 0, stepsPerEpoch: 936 })
    expect(modelOf(check({ blocks: 2, embedding: 'learned' })).units.map(({ block }) => block)).toEqual([1, 2])
  })

  test.each([
    ['noprop-ct', 'one-hot', 867_722],
    ['noprop-ct', 'learned', 870_282],
    ['noprop-fm', 'prototype', 1_482_122],
    ['backprop', 'learned', 922_506],
    ['adjoint', 'one-hot', 867_722],
  ] as const)("the paper's network for %s, %s, has %i parameters", (method, embedding, count) => {
    expect(modelOf(check({ method, embedding })).parameters.perBlock).toBe(count)
  })

  test('the run page expects the units that the library has', () => {
    for (const method of methodOrder) {
      for (const embedding of ['one-hot', 'learned', 'prototype'] as const) {
        const result = check({ method, embedding, blocks: 3 })
        if ('error' in result) continue
        const units = result.model.units.map(({ block }) => block).sort((a, b) => (a || Infinity) - (b || Infinity))
        expect(unitsOf({ config: { ...config, method, embedding, blocks: 3 }, blocks: [] }), `${method}, ${embedding}`).toEqual(units)
      }
    }
  })

  test('embeddings that a baseline cannot train are refused', () => {
    for (const [method, embedding] of [
      ['adjoint', 'prototype'],
      ['forward-forward', 'learned'],
    ] as const)
      // prettier-ignore
      expect(check({ method, embedding }), method).toMatchObject({ error: { field: 'embedding' } })
  })

  test('a refusal names the field as the form does, and says why', () => {
    const error = { field: 'embedding_init', message: expect.stringMatching(/^Only an embedding .*\.$/) }
    expect(check({ embedding: 'learned', embedding_init: 'prototype' })).toEqual({ error })
  })

  test('images that the convolutions would use up are no fault of a field', () => {
    const error = { field: undefined, message: expect.stringContaining('at least 14 pixels') }
    expect(check({}, { ...digits, image_shape: [8, 8, 1] })).toEqual({ error })
  })
})
