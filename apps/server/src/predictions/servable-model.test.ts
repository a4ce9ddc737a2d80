import { expect, test } from 'vitest'
import { selectCheckpoints } from './servable-model.ts'

const row = (block: number, epoch: number, step: number) => ({ checkpointId: `${block}/${epoch}/${step}`, block, epoch, step, sha256: '' })
const idsOf = (rows: Parameters<typeof selectCheckpoints>[1]) =>
  selectCheckpoints([0, 1, 2], rows)?.map(({ checkpointId }) => checkpointId) ?? null

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
