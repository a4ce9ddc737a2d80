import type { PrepareResult, RunConfig } from '@noprop/contract'
import { describe, expect, test } from 'vitest'
import { presets } from '../runs/presets.ts'
import { checkpointsOfEpoch, evaluationSplits, evaluationTasks, prepareTask, superfluousCheckpoints, trainTask } from './task-graph.ts'

const config = (overrides: Partial<RunConfig>): RunConfig => ({ ...presets[0]!.config, ...overrides })
const facts = { validation_examples: 5000, test_examples: 10_000 } as PrepareResult

describe('priorities', () => {
  test('evaluations come before training, then the lowest epoch, in it the head, then the lowest block', () => {
    const order = [
      prepareTask,
      ...evaluationTasks(999, config({ epochs: 1000 }), facts).slice(0, 1),
      trainTask(0, 1),
      trainTask(1, 1),
      trainTask(100, 1),
      trainTask(0, 2),
      trainTask(3, 1000),
    ].map(({ priority }) => priority)
    expect(order).toEqual([...order].sort((a, b) => a - b))
    expect(new Set(order).size).toBe(order.length)
  })
})

describe('evaluationSplits', () => {
  test.for([
    [1, { epochs: 4, evaluation_interval: 2, validation_size: 100 }, []],
    [2, { epochs: 4, evaluation_interval: 2, validation_size: 100 }, ['validation']],
    [4, { epochs: 4, evaluation_interval: 2, validation_size: 100 }, ['validation', 'test']],
    [5, { epochs: 5, evaluation_interval: 2, validation_size: 100 }, ['test']],
    [2, { epochs: 4, evaluation_interval: 2, validation_size: 0 }, ['test']],
    [4, { epochs: 4, evaluation_interval: 2, validation_size: 0 }, ['test']],
    [1, { epochs: 1, evaluation_interval: 1000, validation_size: 0 }, ['test']],
  ] as const)('after epoch %i of %o: %o', ([epoch, settings, splits]) => {
    expect(evaluationSplits(epoch, settings)).toEqual(splits)
  })
})

describe('evaluationTasks', () => {
  test('cut the split into shards that cover it once', () => {
    const shards = evaluationTasks(1, config({ epochs: 1, evaluation_interval: 2 }), { ...facts, test_examples: 7001 })
    expect(shards.map(({ split, offset, count }) => [split, offset, count])).toEqual([
      ['test', 0, 2500],
      ['test', 2500, 2500],
      ['test', 5000, 2001],
    ])
  })
})

describe('checkpoints', () => {
  const at = (block: number, epoch: number, step: number) => ({ id: `${block}/${epoch}/${step}`, block, epoch, step })
  const ids = (checkpoints: { id: string }[]) => checkpoints.map(({ id }) => id)
  const settings = { epochs: 3, evaluation_interval: 1, validation_size: 0 }

  test('of an epoch are those that ended it, not those from the middle of the next', () => {
    const all = [at(1, 1, 15), at(0, 1, 10), at(1, 1, 10), at(1, 2, 20)]
    expect(ids(checkpointsOfEpoch(all, 1))).toEqual(['0/1/10', '1/1/10'])
  })

  test('of a block that is ahead are kept until its epoch has been evaluated', () => {
    const all = [at(0, 1, 10), at(1, 1, 10), at(1, 2, 20), at(1, 3, 30)]
    expect(superfluousCheckpoints(all, settings, [])).toEqual([])
    expect(superfluousCheckpoints([...all, at(0, 2, 20)], settings, [{ epoch: 1, split: 'test' }])).toEqual([])
  })

  test('of older epochs are dropped once a newer one has been evaluated', () => {
    const all = [at(0, 1, 10), at(1, 1, 10), at(0, 2, 20), at(1, 2, 20)]
    const evaluated = [1, 2].map((epoch) => ({ epoch, split: 'test' }))
    expect(ids(superfluousCheckpoints(all, settings, evaluated))).toEqual(['0/1/10', '1/1/10'])
  })

  test('of an epoch whose evaluation lacks a split are kept', () => {
    const all = [at(1, 3, 30), at(1, 2, 20)]
    const evaluated = [
      { epoch: 2, split: 'validation' },
      { epoch: 3, split: 'validation' },
    ]
    expect(superfluousCheckpoints(all, { ...settings, validation_size: 10 }, evaluated)).toEqual([])
  })

  test('of epochs that are never evaluated are dropped when the block goes on', () => {
    const all = [at(1, 1, 10), at(1, 1, 15), at(1, 1, 17)]
    expect(ids(superfluousCheckpoints(all, { ...settings, evaluation_interval: 2 }, []))).toEqual(['1/1/10', '1/1/15'])
  })

  test('from the middle of the first epoch are dropped when that is over', () => {
    expect(ids(superfluousCheckpoints([at(1, 0, 5), at(1, 1, 10)], settings, []))).toEqual(['1/0/5'])
    expect(superfluousCheckpoints([at(1, 0, 5)], settings, [])).toEqual([])
  })

  test('from the middle of an epoch are dropped when a newer one is there', () => {
    const all = [at(1, 1, 10), at(1, 1, 15), at(1, 2, 20)]
    expect(ids(superfluousCheckpoints(all, settings, []))).toEqual(['1/1/15'])
  })
})
