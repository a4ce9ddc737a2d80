import type { Run } from '@noprop/contract'
import { expect, test, vi } from 'vitest'
import { presets } from '../runs/presets.ts'
import type { PredictionTask } from './prediction-task.ts'
import { PredictionService, type PredictionServiceParts } from './prediction-service.ts'

const runOf = (id: string) =>
  ({ id, status: 'succeeded', dataset: 'mnist', config: presets[0]!.config, blocks: [{ block: 0 }, { block: 1 }] }) as Run

function createService() {
  const newestSucceeded = vi.fn<() => Promise<Run | null>>(async () => null)
  const runTask = vi.fn(async (_task: PredictionTask) => ({ ok: true }))
  const findMany = vi.fn(async () => [0, 1].map((block) => ({ id: `c${block}`, block, epoch: 1, step: 10, sha256: 's' })))
  const parts = {
    runs: { newestSucceeded },
    pool: { run: runTask },
    maxRequests: 4,
    groupSize: 8,
    db: { checkpoint: { findMany }, task: { findFirst: async () => null } },
    checkpointPath: (run: string, id: string) => `${run}/${id}`,
  }
  return { service: new PredictionService(parts as unknown as PredictionServiceParts), newestSucceeded, runTask, findMany }
}

test('a network is warmed up once, and the next one when another run has succeeded', async () => {
  const { service, newestSucceeded, runTask } = createService()
  await service.warmUp()
  expect(runTask).not.toHaveBeenCalled()

  newestSucceeded.mockResolvedValue(runOf('a'))
  await service.warmUp()
  await service.warmUp()
  expect(runTask).toHaveBeenCalledOnce()
  const [task] = runTask.mock.lastCall!
  expect(task.keys).toEqual([])
  expect(task.model).toMatchObject({ key: 'c0,c1', checkpoints: [{ path: 'a/c0' }, { path: 'a/c1' }] })

  newestSucceeded.mockResolvedValue(runOf('b'))
  await service.warmUp()
  expect(runTask).toHaveBeenCalledTimes(2)
})

test('a network that cannot be warmed up is not tried again and again', async () => {
  const { service, newestSucceeded, runTask } = createService()
  newestSucceeded.mockResolvedValue(runOf('a'))
  runTask.mockRejectedValue(new Error('damaged'))
  await expect(service.warmUp()).rejects.toThrow('damaged')
  await service.warmUp()
  expect(runTask).toHaveBeenCalledOnce()
})
