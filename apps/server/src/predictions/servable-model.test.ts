import { expect, test } from 'vitest'
import { selectCheckpoints } from './servable-model.ts'

const row = (block: number, epoch: number, step: number) => {
  const id = `${block}/${epoch}/${step}`
  return { id, checkpointId: id, block, epoch, step, sha256: '' }
}
const select = (rows: Parameters<typeof selectCheckpoints>[0], plan: Parameters<typeof selectCheckpoints>[1]) =>
  selectCheckpoints(rows, plan)?.map(({ checkpointId }) => checkpointId) ?? null
const idsOf = (rows: Parameters<typeof select>[0]) => select(rows, { units: [0, 1, 2], in_turn: false })

test('the newest epoch that every unit has finished is served', () => {
  const rows = [row(0, 1, 10), row(0, 2, 20), row(1, 1, 10), row(1, 2, 20), row(1, 3, 30), row(2, 1, 10), row(2, 2, 20)]
  expect(idsOf(rows)).toEqual(['0/2/20', '1/2/20', '2/2/20'])
})

test('a checkpoint from the middle of the next epoch is left aside', () => {
  expect(idsOf([row(0, 1, 10), row(1, 1, 17), row(1, 1, 10), row(2, 1, 10)])).toEqual(['0/1/10', '1/1/10', '2/1/10'])
})

test('where a unit keeps only a later checkpoint, that one stands in', () => {
  expect(idsOf([row(0, 3, 30), row(1, 2, 20), row(2, 3, 30)])).toEqual(['0/3/30', '1/2/20', '2/3/30'])
})

test('while a unit has finished no epoch there is no network', () => {
  expect(idsOf([row(0, 1, 10), row(1, 1, 10)])).toBeNull()
  expect(idsOf([])).toBeNull()
})

test('blocks that share weights are only served as they were at the end of one epoch', () => {
  const plan = { units: [1, 2], in_turn: true }
  expect(select([row(1, 1, 10), row(1, 2, 20), row(2, 1, 10)], plan)).toEqual(['1/1/10', '2/1/10'])
  expect(select([row(1, 1, 10), row(1, 2, 20), row(2, 1, 10), row(2, 1, 15)], plan)).toEqual(['1/1/10', '2/1/10'])
  expect(select([row(1, 1, 10), row(2, 1, 10), row(1, 2, 20), row(2, 2, 20)], plan)).toEqual(['1/2/20', '2/2/20'])
  expect(select([row(1, 2, 20), row(2, 1, 10)], plan)).toBeNull()
})

test('a network whose parts are trained together is one checkpoint', () => {
  expect(select([row(1, 1, 10), row(1, 2, 20), row(1, 2, 25)], { units: [1], in_turn: false })).toEqual(['1/2/20'])
})
