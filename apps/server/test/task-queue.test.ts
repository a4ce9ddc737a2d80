import { rm } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EventLog } from '../src/events/event-log.ts'
import { Database } from '../src/plugins/database.ts'
import { findPreset } from '../src/runs/presets.ts'
import { RunRepository } from '../src/runs/run-repository.ts'
import { newId } from '../src/ids.ts'
import { trainTask } from '../src/training/task-graph.ts'
import { EmbeddedTaskQueue, type TaskQueue } from '../src/training/task-queue.ts'
import { makeDataDir, testConfig } from './support/test-server.ts'

let dataDir: string
let database: Database
let runId: string
const queue: TaskQueue = new EmbeddedTaskQueue()

beforeEach(async () => {
  dataDir = await makeDataDir()
  database = await Database.open(dataDir, testConfig(dataDir).migrationsDir)
  const repository = new RunRepository(database, new EventLog(database, { inc() {} }))
  runId = newId('run')
  const provenance = { seed: 1, data_sha256: null, versions: {}, git_commit: null, device: null }
  const run = {
    id: runId,
    name: 'a',
    dataset: 'mnist',
    preset: null,
    config: findPreset('smoke')!.config,
    provenance,
    statusReason: null,
  } as const
  await database.write((transaction) => repository.insert(transaction, run))
})
afterEach(async () => {
  await database.close()
  await rm(dataDir, { recursive: true })
})

const add = (...tasks: [block: number, epoch: number][]) =>
  database.write((transaction) =>
    queue.add(
      transaction,
      runId,
      tasks.map(([block, epoch]) => trainTask(block, epoch)),
    ),
  )
const claim = (slot: number, alive: readonly string[] = []) => database.write((transaction) => queue.claim(transaction, runId, slot, alive))
const expireLeases = () =>
  database.write(({ db }) => db.task.updateMany({ where: { status: 'leased' }, data: { leaseExpiresAt: new Date(0) } }))

test('tasks are claimed by priority, each by one slot', async () => {
  await add([2, 1], [0, 2], [1, 1], [0, 1])
  const claimed = [await claim(0), await claim(1), await claim(0), await claim(1), await claim(0)]
  expect(claimed.map((task) => task && [task.epoch, task.block])).toEqual([[1, 0], [1, 1], [1, 2], [2, 0], null])
})

test('simultaneous claims never get the same task', async () => {
  await add(...Array.from({ length: 20 }, (_, i): [number, number] => [i, 1]))
  const claimed = await Promise.all(Array.from({ length: 20 }, (_, i) => claim(i)))
  expect(new Set(claimed.map((task) => task!.id)).size).toBe(20)
})

test('a task is completed by the slot that holds it, once', async () => {
  await add([1, 1])
  const task = await claim(0)
  const complete = (slot: number) => database.write((transaction) => queue.complete(transaction, task!.id, slot, null))
  expect(await complete(1)).toBe(false)
  expect(await complete(0)).toBe(true)
  expect(await complete(0)).toBe(false)
  expect(await database.write((transaction) => queue.countOpen(transaction, runId))).toBe(0)
})

test('a lease that has run out lets another slot take the task, and the first one can no longer complete it', async () => {
  await add([1, 1])
  const task = await claim(0)
  expect(await claim(1)).toBeNull()
  await expireLeases()
  expect((await claim(1))!.id).toBe(task!.id)
  expect(await database.write((transaction) => queue.complete(transaction, task!.id, 0, null))).toBe(false)
  expect(await database.write((transaction) => queue.complete(transaction, task!.id, 1, null))).toBe(true)
})

test('a task that a trainer is still at is not given to another, even if its lease has run out', async () => {
  await add([1, 1], [2, 1])
  const task = await claim(0)
  await expireLeases()
  expect((await claim(1, [task!.id]))!.block).toBe(2)
  expect(await claim(1, [task!.id])).toBeNull()
  expect(await database.write((transaction) => queue.complete(transaction, task!.id, 0, null))).toBe(true)
})

test('a lease that is renewed does not run out', async () => {
  await add([1, 1])
  const task = await claim(0)
  await expireLeases()
  await database.write((transaction) => queue.renew(transaction, task!.id, 0))
  expect(await claim(1)).toBeNull()
})

test('a task that goes back counts its attempts, until it makes progress', async () => {
  await add([1, 1])
  const release = async (attempts: 'add' | 'reset' | 'keep') => {
    const task = await claim(0)
    return database.write((transaction) => queue.release(transaction, task!.id, 0, attempts))
  }
  expect([await release('add'), await release('add'), await release('keep'), await release('reset'), await release('add')]).toEqual([
    1, 2, 2, 0, 1,
  ])
})

test('a task cannot be given back by a slot that does not hold it', async () => {
  await add([1, 1])
  const task = await claim(0)
  expect(await database.write((transaction) => queue.release(transaction, task!.id, 1, 'add'))).toBeNull()
})

test('what is held of a run is given back together, and forgotten together', async () => {
  await add([1, 1], [2, 1])
  await claim(0)
  await claim(1)
  expect(await database.write((transaction) => queue.releaseRun(transaction, runId))).toBe(2)
  expect(await claim(0)).not.toBeNull()
  await database.write((transaction) => queue.drop(transaction, runId))
  expect(await claim(0)).toBeNull()
})
