import { rm } from 'node:fs/promises'
import type { TrainingEvent } from '@noprop/contract'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EventLog } from '../src/events/event-log.ts'
import { Database } from '../src/plugins/database.ts'
import { findPreset } from '../src/runs/presets.ts'
import { RunRepository } from '../src/runs/run-repository.ts'
import { newId } from '../src/ids.ts'
import { ingestEvents } from '../src/training/event-ingest.ts'
import { makeDataDir, testConfig } from './support/test-server.ts'

let dataDir: string
let database: Database
let log: EventLog
let runId: string

beforeEach(async () => {
  dataDir = await makeDataDir()
  database = await Database.open(dataDir, testConfig(dataDir).migrationsDir)
  log = new EventLog(database, { inc() {} })
  runId = newId('run')
  const provenance = { seed: 1, data_sha256: null, versions: {}, git_commit: null, device: null }
  const run = { id: runId, name: 'a', dataset: 'mnist', preset: null, config: findPreset('smoke')!.config, provenance, statusReason: null }
  await database.write(async (transaction) => {
    await new RunRepository(database, log).insert(transaction, run as Parameters<RunRepository['insert']>[1])
    await transaction.db.blockState.create({ data: { runId, block: 1 } })
  })
})
afterEach(async () => {
  await database.close()
  await rm(dataDir, { recursive: true })
})

const point = (step: number): TrainingEvent => ({ type: 'block_metrics', block: 1, epoch: 1, step, values: { denoising_loss: 1 / step } })
const ingest = (...events: TrainingEvent[]) =>
  database.write((transaction) => ingestEvents(transaction, log, { runId, taskId: newId('task'), slot: 0, pid: 1 }, events))
const step = async () => (await database.read.blockState.findFirstOrThrow({ where: { runId } })).step

test('a stretch that is repeated moves the block again, and is stored once', async () => {
  await ingest(point(1), point(2), point(3))
  expect(await step()).toBe(3)
  // its trainer was lost: back to the beginning
  await database.write(({ db }) => db.blockState.updateMany({ where: { runId }, data: { step: 0 } }))

  const metrics = await ingest(point(1), point(2))
  expect(metrics.map(({ step, values }) => [step, values['denoising_loss']])).toEqual([
    [1, 1],
    [2, 0.5],
  ])
  expect(await step()).toBe(2)
  expect((await ingest(point(3), point(4))).map(({ step }) => step)).toEqual([3, 4])
  expect(await step()).toBe(4)
  expect(await database.read.metric.count()).toBe(4)
  expect(await database.read.runEvent.count({ where: { type: 'block_metrics' } })).toBe(4)
})
