import { RunConfig } from '@noprop/contract'
import { datasetCatalog } from '@noprop/datasets'
import Value from 'typebox/value'
import { describe, expect, test } from 'vitest'
import { checkNetwork } from '../predictions/check-network.ts'
import { findPreset, presets } from './presets.ts'
import { checkConfig, resolveConfig } from './resolve-config.ts'

const dataset = { title: 'Digits', trainExamples: 1000, testExamples: 100 }
const base = findPreset('paper-dt-mnist-onehot')!.config
const pointers = (overrides: Partial<RunConfig>) => checkConfig({ ...base, ...overrides }, dataset).map(({ pointer }) => pointer)

describe('presets', () => {
  test.for([...presets])('$name is a complete configuration of a network that can be, and fits every dataset', ({ config }) => {
    expect(Value.Check(RunConfig, config)).toBe(true)
    for (const facts of Object.values(datasetCatalog)) {
      expect(checkConfig(config, facts)).toEqual([])
      expect(checkNetwork(config, facts)).toEqual([])
    }
  })

  test('of the paper name what they are, and no two the same', () => {
    const paper = presets.filter(({ group }) => group === 'paper')
    for (const { name, datasets, config } of paper) {
      const embedding = { 'one-hot': 'onehot', learned: 'dim20', prototype: 'prototype' }[config.embedding]
      const method = config.method.replace('noprop-', '')
      expect(name).toBe(`paper-${method}-${datasets[0]!.replace('-', '')}-${embedding}`)
    }
    expect(new Set(paper.map(({ config, datasets }) => JSON.stringify([config, datasets]))).size).toBe(paper.length)
  })

  test('have different names', () => {
    expect(new Set(presets.map(({ name }) => name)).size).toBe(presets.length)
  })
})

test('overrides win over the preset, null included', () => {
  const resolved = resolveConfig({ ...base, train_limit: 500 }, { epochs: 7, train_limit: null })
  expect(resolved).toEqual({ ...base, epochs: 7, train_limit: null })
})

describe('checkConfig', () => {
  test.for([
    [{}, []],
    [{ validation_size: 1000 }, ['/config/validation_size']],
    [{ validation_size: 999 }, ['/config/batch_size']],
    [{ validation_size: 500, train_limit: 500 }, []],
    [{ validation_size: 500, train_limit: 501 }, ['/config/train_limit']],
    [{ train_limit: 1001 }, ['/config/train_limit']],
    [{ train_limit: 128 }, []],
    [{ train_limit: 127 }, ['/config/batch_size']],
    [{ batch_size: 1001 }, ['/config/batch_size']],
    [{ test_limit: 100 }, []],
    [{ test_limit: 101 }, ['/config/test_limit']],
    [{ test_limit: 101, train_limit: 9999 }, ['/config/train_limit', '/config/test_limit']],
  ] as [Partial<RunConfig>, string[]][])('%o: %o', ([overrides, expected]) => {
    expect(pointers(overrides)).toEqual(expected)
  })
})
