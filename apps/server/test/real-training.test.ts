import { fileURLToPath } from 'node:url'
import type { Checkpoint, CreateRun, Page, Run } from '@noprop/contract'
import { rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { ServerProcess } from './support/server-process.ts'
import { makeTrainingDataDir, TestServer, until } from './support/test-server.ts'

/** The trainer that ships, on real computations: what the scripted one cannot show is that the bits come out the same. */
const trainerEntry = fileURLToPath(new URL('../../../dist/trainer/main.js', import.meta.url))

/** A run whose blocks are small but train for some seconds, so that it can be disturbed in the middle of an epoch. */
const body: CreateRun = {
  dataset: 'synthetic-digits',
  preset: 'smoke',
  config: {
    blocks: 2,
    channels: [4, 8, 8],
    features: 32,
    epochs: 2,
    batch_size: 64,
    train_limit: 6400,
    validation_size: 0,
    metrics_interval: 5,
  },
}

/** The same with labels that are trained, which the blocks hand on to one another. */
const learned: CreateRun = { ...body, config: { ...body.config, embedding: 'learned' } }

async function weightsOf(get: (path: string) => Promise<Page<Checkpoint>>, run: Run): Promise<string[]> {
  expect(run.status, JSON.stringify(run.failure)).toBe('succeeded')
  const { items } = await get(`/v1/runs/${run.id}/checkpoints`)
  const last = items.filter(({ epoch }) => epoch === 2).map(({ block, sha256 }) => `${block} ${sha256}`)
  expect(last).toHaveLength(run.blocks.length)
  return last.sort()
}

/** Trains on a server of its own; `disturb` may do harm once every block of the first epoch is under way. */
async function train(
  trainers: number,
  request: CreateRun,
  disturb?: (server: TestServer, run: Run) => Promise<void>,
): Promise<{ run: Run; weights: string[] }> {
  const server = await TestServer.start({ dataDir: await makeTrainingDataDir(), trainers, trainerEntry, heartbeatTimeoutMs: 10_000 })
  try {
    const { id } = await server.createRun(request)
    if (disturb) await disturb(server, await isUnderWay(() => server.run(id)))
    const run = await server.ended(id, 120)
    return { run, weights: await weightsOf(async (path) => (await server.get<Page<Checkpoint>>(path)).body, run) }
  } finally {
    await server.close()
  }
}

function isUnderWay(read: () => Promise<Run>): Promise<Run> {
  return until(
    async () => {
      const run = await read()
      return run.blocks.some(({ block, step, epoch }) => block > 0 && epoch === 1 && step > 105) ? run : null
    },
    'a block is in the middle of its second epoch',
    90,
  )
}

test.for<[string, CreateRun]>([
  ['independent blocks', body],
  ['blocks that share weights', learned],
])(
  'one trainer, two trainers and a killed trainer all end with the same weights, bit for bit: %s',
  { timeout: 300_000 },
  async ([, request]) => {
    const { weights, run } = await train(2, request)
    expect(run.metrics['test_accuracy']).toBeGreaterThan(0.8)

    expect((await train(1, request)).weights).toEqual(weights)

    const disturbed = await train(2, request, async (server, { id }) => {
      const busy = await until(
        () => server.app.trainers.slots().find(({ state, activity }) => state === 'busy' && activity?.includes('epoch 2')),
        'a trainer is busy',
      )
      const killedAt = Date.now()
      process.kill(busy.pid!, 'SIGKILL')
      await until(async () => (await server.statuses(id)).includes('interrupted'), 'the loss is noticed')
      expect(Date.now() - killedAt).toBeLessThan(10_000)
    })
    expect(disturbed.weights).toEqual(weights)
  },
)

test('a killed server goes on with the run at its next start, to the same weights', async () => {
  const { weights } = await train(2, body)
  const dataDir = await makeTrainingDataDir()
  try {
    const first = await ServerProcess.startMain(dataDir)
    const { id } = await first.post<Run>('/v1/runs', body)
    await isUnderWay(() => first.get<Run>(`/v1/runs/${id}`))
    await first.end('SIGKILL')

    const second = await ServerProcess.startMain(dataDir)
    try {
      const run = await second.get<Run>(`/v1/runs/${id}?wait_seconds=120`)
      expect(await weightsOf((path) => second.get<Page<Checkpoint>>(path), run)).toEqual(weights)
    } finally {
      await second.end('SIGTERM')
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}, 300_000)
