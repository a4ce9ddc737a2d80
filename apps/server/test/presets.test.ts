import type { Preset } from '@noprop/contract'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { storeRun } from './fixtures/stored-run.ts'
import { TestServer } from './support/test-server.ts'

let server: TestServer
beforeAll(async () => void (server = await TestServer.start()))
afterAll(() => server.close())

async function smoke(): Promise<Preset> {
  const { body } = await server.get<{ items: Preset[] }>('/v1/presets')
  return body.items.find(({ name }) => name === 'smoke')!
}

/** A run of the preset, on MNIST, that took 2 s a step and 0.1 s an evaluated image. */
async function storeSlowRun(config: Parameters<typeof storeRun>[1]['config']) {
  const runId = await storeRun(server, { config, checkpoints: [] })
  const result = { kind: 'prepare', units: [0, 1, 2], in_turn: false }
  const facts = { epoch: 1, split: 'test', examples: 10, seconds: 1 }
  await server.app.database.write(async ({ db }) => {
    await db.run.update({ where: { id: runId }, data: { preset: 'smoke' } })
    await db.task.create({ data: { id: runId.replace('run', 'task'), runId, kind: 'prepare', status: 'done', priority: 0, result } })
    await db.metric.createMany({ data: [1, 3].map((value) => ({ runId, name: 'step_seconds', block: 1, step: value, value })) })
    await db.metric.create({ data: { runId, name: 'step_seconds', block: 0, step: 1, value: 1000 } })
    await db.evaluation.create({ data: { id: runId.replace('run', 'eval'), runId, epoch: 1, split: 'test', facts } })
  })
}

test('a run of another network tells nothing about a preset; one of its own gives the estimate', async () => {
  const { config, estimates } = await smoke()
  expect(estimates[0]).toMatchObject({ seconds: null })
  await storeSlowRun({ ...config, features: config.features + 1 })
  expect((await smoke()).estimates[0]).toMatchObject({ seconds: null })

  await storeSlowRun({ ...config, seed: 99 })
  // 2 trainers: 1 block each × 31 steps × 2 s, and (500 + 1000) images × 0.1 s / 2
  const measured = (await smoke()).estimates
  const basis = 'the newest run of this preset here, 2 trainers'
  expect(measured).toContainEqual({ dataset: 'mnist', seconds: 137, basis })
  expect(measured).toContainEqual({ dataset: 'synthetic-digits', seconds: 137, basis })
  // images of another size take another time
  expect(measured).toContainEqual({ dataset: 'cifar-10', seconds: null, basis: 'not measured on this machine yet' })
})
