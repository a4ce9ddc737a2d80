import type { PrepareResult, RunConfig } from '@noprop/contract'
import { describe, expect, test } from 'vitest'
import { presets } from '../runs/presets.ts'
import {
  checkpointsOfEpoch,
  evaluationSplits,
  evaluationTasks,
  firstTrainTasks,
  nextTrainTasks,
  prepareTask,
  superfluousCheckpoints,
  trainTask,
  turnBefore,
} from './task-graph.ts'

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

describe('the order of training', () => {
  const places = (tasks: ReturnType<typeof firstTrainTasks>) => tasks.map(({ block, epoch }) => `${block}/${epoch}`)

  /** What trains when, if every task is done as soon as it is there. */
  function follow(plan: Parameters<typeof firstTrainTasks>[0], epochs: number): string[] {
    const queue = firstTrainTasks(plan)
    for (const { block, epoch } of queue) queue.push(...nextTrainTasks(block!, epoch!, plan, epochs))
    return places(queue)
  }

  test('units that share nothing all begin, and each goes on by itself', () => {
    const plan = { units: [0, 1, 2], in_turn: false }
    expect(places(firstTrainTasks(plan))).toEqual(['0/1', '1/1', '2/1'])
    expect(places(nextTrainTasks(2, 1, plan, 2))).toEqual(['2/2'])
    expect(nextTrainTasks(2, 2, plan, 2)).toEqual([])
  })

  test('units that share weights take turns, epoch by epoch, each with what the one before handed over', () => {
    const plan = { units: [1, 2, 3], in_turn: true }
    const order = follow(plan, 2)
    expect(order).toEqual(['1/1', '2/1', '3/1', '1/2', '2/2', '3/2'])
    const before = order.map((place) => turnBefore(Number(place[0]), Number(place[2]), plan))
    expect(before.map((turn) => turn && `${turn.block}/${turn.epoch}`)).toEqual([null, ...order.slice(0, -1)])
  })

  test('a single unit that takes turns takes all of them', () => {
    expect(follow({ units: [1], in_turn: true }, 3)).toEqual(['1/1', '1/2', '1/3'])
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
  const independent = { units: [0, 1], in_turn: false }

  test('of an epoch are those that ended it, not those from the middle of the next', () => {
    const all = [at(1, 1, 15), at(0, 1, 10), at(1, 1, 10), at(1, 2, 20)]
    expect(ids(checkpointsOfEpoch(all, 1))).toEqual(['0/1/10', '1/1/10'])
  })

  test('of a block that is ahead are kept until its epoch has been evaluated', () => {
    const all = [at(0, 1, 10), at(1, 1, 10), at(1, 2, 20), at(1, 3, 30)]
    expect(superfluousCheckpoints(all, settings, [], independent)).toEqual([])
    expect(superfluousCheckpoints([...all, at(0, 2, 20)], settings, [{ epoch: 1, split: 'test' }], independent)).toEqual([])
  })

  test('of older epochs are dropped once a newer one has been evaluated', () => {
    const all = [at(0, 1, 10), at(1, 1, 10), at(0, 2, 20), at(1, 2, 20)]
    const evaluated = [1, 2].map((epoch) => ({ epoch, split: 'test' }))
    expect(ids(superfluousCheckpoints(all, settings, evaluated, independent))).toEqual(['0/1/10', '1/1/10'])
  })

  test('of an epoch whose evaluation lacks a split are kept', () => {
    const all = [at(1, 3, 30), at(1, 2, 20)]
    const evaluated = [
      { epoch: 2, split: 'validation' },
      { epoch: 3, split: 'validation' },
    ]
    expect(superfluousCheckpoints(all, { ...settings, validation_size: 10 }, evaluated, independent)).toEqual([])
  })

  test('of epochs that are never evaluated are dropped when the block goes on', () => {
    const all = [at(1, 1, 10), at(1, 1, 15), at(1, 1, 17)]
    expect(ids(superfluousCheckpoints(all, { ...settings, evaluation_interval: 2 }, [], independent))).toEqual(['1/1/10', '1/1/15'])
  })

  test('from the middle of the first epoch are dropped when that is over', () => {
    expect(ids(superfluousCheckpoints([at(1, 0, 5), at(1, 1, 10)], settings, [], independent))).toEqual(['1/0/5'])
    expect(superfluousCheckpoints([at(1, 0, 5)], settings, [], independent)).toEqual([])
  })

  test('from the middle of an epoch are dropped when a newer one is there', () => {
    const all = [at(1, 1, 10), at(1, 1, 15), at(1, 2, 20)]
    expect(ids(superfluousCheckpoints(all, settings, [], independent))).toEqual(['1/1/15'])
  })

  test('of blocks that take turns are kept where the next one goes on from them, and where they make the newest network', () => {
    const plan = { units: [1, 2], in_turn: true }
    const rare = { ...settings, evaluation_interval: 10, epochs: 10 }
    // block 2 is about to begin its second epoch: it needs what block 1 had at the end of that
    const all = [at(1, 1, 10), at(2, 1, 10), at(1, 2, 20)]
    expect(superfluousCheckpoints(all, rare, [], plan)).toEqual([])
    expect(ids(superfluousCheckpoints([...all, at(2, 2, 20)], rare, [], plan))).toEqual(['1/1/10', '2/1/10'])
    expect(ids(superfluousCheckpoints(all, rare, [], { ...plan, in_turn: false }))).toEqual(['1/1/10'])
  })
})
