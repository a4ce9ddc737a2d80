/** A data folder of the version before, in which only NoProp-DT with one-hot labels could be trained, under the server of today. */

import { createHash } from 'node:crypto'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Checkpoint, Evaluation, type Page, Run, RunConfig, RunEvent } from '@noprop/contract'
import { readImage } from '@noprop/datasets'
import Sqlite from 'better-sqlite3'
import sharp from 'sharp'
import Value from 'typebox/value'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '../src/ids.ts'
import { applyMigrations } from '../src/plugins/migrations.ts'
import { makeDataDir, TestServer, testConfig } from './support/test-server.ts'

const predictionWorkerEntry = fileURLToPath(new URL('./fixtures/scripted-prediction-worker.mjs', import.meta.url))

/** All fields that a configuration had. The scripted trainer takes `eta` milliseconds for each of 10 steps an epoch. */
const config = {
  method: 'noprop-dt',
  embedding: 'one-hot',
  blocks: 2,
  channels: [8, 16, 32],
  features: 64,
  dropout: 0.2,
  eta: 0.1,
  epochs: 2,
  batch_size: 32,
  learning_rate: 0.002,
  learning_rate_schedule: 'cosine',
  weight_decay: 0.001,
  noise_samples: 4,
  seed: 5,
  train_limit: 320,
  test_limit: null,
  validation_size: 0,
  evaluation_interval: 1,
  metrics_interval: 1,
  device: 'cpu',
}
const prepared = {
  kind: 'prepare',
  data_sha256: 'a'.repeat(64),
  train_examples: 320,
  validation_examples: 0,
  test_examples: 10_000,
  steps_per_epoch: 10,
  steps_per_epoch_shared: 10,
  parameters: { total: 25, per_block: 10, shared: 5 },
  units: [0, 1, 2],
  device: 'scripted',
  versions: {},
}
const counts = { correct_after_block: [7000, 8000], correct_head: 7500 }
const accuracies = { after_block: [0.7, 0.8], head: 0.75 }
const facts = {
  epoch: 1,
  split: 'test',
  examples: 10_000,
  accuracy: 0.8,
  loss: 0.5,
  noise_free: accuracies,
  noisy: accuracies,
  confusion_matrix: [[10_000]],
  seconds: 1,
}
const evaluated = {
  kind: 'evaluate',
  count: 2500,
  loss_sum: 5000,
  noise_free: counts,
  noisy: counts,
  confusion_matrix: [[2500]],
  seconds: 1,
}
const time = '2026-11-23T09:52:34.893+00:00'
const hash = (text: string) => createHash('sha256').update(text).digest('hex')

const ids = { finished: newId('run'), running: newId('run'), queued: newId('run') }
let server: TestServer

beforeAll(async () => {
  const dataDir = await makeDataDir()
  const database = new Sqlite(join(dataDir, 'noprop.db'))
  const { migrationsDir } = testConfig(dataDir)
  const first = '20261123194428_init'
  await cp(join(migrationsDir, first), join(dataDir, 'migrations', first), { recursive: true })
  expect(applyMigrations(database, join(dataDir, 'migrations'))).toEqual([first])
  await fill(database, dataDir)
  database.close()
  server = await TestServer.start({ dataDir, predictionWorkerEntry })
})
afterAll(() => server.close())

/** A run that has ended, one that was lost in the middle of its second epoch, and one that waits. */
async function fill(database: Sqlite.Database, dataDir: string) {
  const insert = (table: string, row: Record<string, unknown>) => {
    const names = Object.keys(row)
    const values = Object.values(row).map((value) => (value !== null && typeof value === 'object' ? JSON.stringify(value) : value))
    database
      .prepare(`INSERT INTO "${table}" (${names.map((name) => `"${name}"`).join()}) VALUES (${names.map(() => '?').join()})`)
      .run(...values)
  }
  const insertRun = (id: string, status: string, fields: object = {}) =>
    insert('Run', {
      id,
      name: status,
      status,
      dataset: 'mnist',
      preset: 'paper',
      config,
      progress: { epoch: 0, epochs: 2, step: 0, steps: null, fraction: 0, images_per_second: null, eta_seconds: null },
      metrics: {},
      provenance: { seed: 5, data_sha256: null, versions: {}, git_commit: null, device: null },
      createdAt: time,
      ...fields,
    })
  const insertEvent = (runId: string, seq: number, type: string, body: object) => insert('RunEvent', { runId, seq, type, time, body })
  const insertTask = (runId: string, kind: string, status: string, fields: object) =>
    insert('Task', { id: newId('task'), runId, kind, status, priority: 0, createdAt: time, ...fields })
  const insertCheckpoint = async (runId: string, block: number, epoch: number, step: number, state: string) => {
    const id = newId('ckpt')
    const text = JSON.stringify({ block, epoch, step, state })
    await mkdir(join(dataDir, 'runs', runId), { recursive: true })
    await writeFile(join(dataDir, 'runs', runId, `${id}.safetensors`), text)
    insert('Checkpoint', { id, runId, block, epoch, step, sha256: hash(text), sizeBytes: text.length, createdAt: time })
  }
  const insertBlock = (runId: string, block: number, epoch: number, step: number) => insert('BlockState', { runId, block, epoch, step })

  const { finished, running, queued } = ids
  insertRun(finished, 'succeeded', { lastSeq: 2, startedAt: time, finishedAt: time })
  insertTask(finished, 'prepare', 'done', { result: prepared })
  insertTask(finished, 'evaluate', 'done', { epoch: 2, split: 'test', offset: 0, count: 2500, result: evaluated })
  insert('Evaluation', { id: newId('eval'), runId: finished, epoch: 1, split: 'test', facts, createdAt: time })
  insertEvent(finished, 1, 'status', { status: 'succeeded', reason: null, failure: null })
  insertEvent(finished, 2, 'evaluation_completed', { evaluation_id: newId('eval'), ...facts })
  for (const block of [0, 1, 2]) {
    insertBlock(finished, block, 2, 20)
    await insertCheckpoint(finished, block, 2, 20, `${block}`)
  }

  insertRun(running, 'running', { startedAt: time })
  insertTask(running, 'prepare', 'done', { result: prepared })
  for (const block of [0, 1, 2]) {
    let state = hash(`5/${block}`)
    for (let step = 1; step <= 10 + block; step++) {
      state = hash(`${state}/5/${block}/${step}`)
      if (step >= 10) await insertCheckpoint(running, block, 1, step, state)
    }
    insertBlock(running, block, 1, 10 + block)
    insertTask(running, 'train', 'done', { block, epoch: 1, priority: 11_001 + block })
    insertTask(running, 'train', 'leased', { block, epoch: 2, priority: 12_002 + block, leasedBy: 0, leaseExpiresAt: time })
  }
  const shard = (offset: number) => ({ epoch: 1, split: 'test', offset, count: 2500, priority: 1 })
  for (const offset of [0, 2500, 5000]) insertTask(running, 'evaluate', 'done', { ...shard(offset), result: evaluated })
  insertTask(running, 'evaluate', 'pending', shard(7500))

  insertRun(queued, 'queued')
  insert('IdempotencyKey', {
    key: 'again',
    requestHash: hash('{"dataset":"mnist"}'),
    status: 201,
    body: { id: queued, config },
    createdAt: time,
  })
}

test('every configuration is complete, and what it said before is unchanged', async () => {
  for (const id of Object.values(ids)) {
    const run = await server.run(id)
    expect(Value.Errors(RunConfig, run.config)).toEqual([])
    expect(run).toMatchObject({ preset: 'paper-dt-mnist-onehot', config })
    expect(run.config).toMatchObject({ optimizer: 'adamw', head: 'softmax', embedding_init: 'auto', augmentation: 'none', ema_decay: 0 })
  }
  const { body } = (await server.app.db.idempotencyKey.findUnique({ where: { key: 'again' } }))!
  expect(Value.Errors(RunConfig, (body as { config: unknown }).config)).toEqual([])
})

test('a run that has ended shows its evaluations and its history, and predicts', async () => {
  expect(Value.Errors(Run, await server.run(ids.finished))).toEqual([])
  const { body } = await server.get<Page<Evaluation>>(`/v1/runs/${ids.finished}/evaluations`)
  expect(Value.Errors(Evaluation, body.items[0])).toEqual([])
  const expected = {
    chain_steps: [1, 2],
    noise_free: { after_step: [0.7, 0.8], head: 0.75 },
    noisy: { after_step: [0.7, 0.8], head: 0.75 },
  }
  expect(body.items).toMatchObject([{ accuracy: 0.8, ...expected }])
  const events = await server.events(ids.finished)
  for (const event of events) expect(Value.Errors(RunEvent, event)).toEqual([])
  expect(events[1]).toMatchObject({ type: 'evaluation_completed', epoch: 1, ...expected })
  expect(JSON.stringify([body, events])).not.toContain('after_block')

  const pixels = await readImage('synthetic-digits', 'test', 0, { dataDir: '' })
  const png = sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } }).png()
  const instances = [{ b64: (await png.toBuffer()).toString('base64') }]
  expect((await server.request('POST', '/predict', { instances, run_id: ids.finished })).status).toBe(200)
})

test('a run that was lost goes on from its checkpoints and ends as an undisturbed one does; one that waited follows', async () => {
  const run = await server.ended(ids.running)
  expect(run).toMatchObject({ status: 'succeeded', failure: null })
  const { body } = await server.get<Page<Evaluation>>(`/v1/runs/${run.id}/evaluations`)
  expect(body.items.map(({ epoch, chain_steps }) => [epoch, chain_steps])).toEqual([
    [2, [1, 2]],
    [1, [1, 2]],
  ])
  const whole = await server.ended(ids.queued)
  expect(whole.status).toBe('succeeded')
  expect(await finalStates(run)).toEqual(await finalStates(whole))
})

async function finalStates({ id }: Run): Promise<string[]> {
  const { body } = await server.get<Page<Checkpoint>>(`/v1/runs/${id}/checkpoints`)
  const files = body.items.filter(({ epoch }) => epoch === 2).map((item) => server.app.checkpointPath(id, item.id))
  expect(files).toHaveLength(3)
  return (await Promise.all(files.map((file) => readFile(file, 'utf8')))).map((text) => JSON.stringify(JSON.parse(text))).sort()
}
