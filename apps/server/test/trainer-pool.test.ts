import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Task } from '@noprop/contract'
import Fastify from 'fastify'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TrainerPool } from '../src/training/trainer-pool.ts'
import { makeDataDir, until } from './support/test-server.ts'

let folder: string
let entry: string
let pool: TrainerPool | null = null

beforeEach(async () => {
  folder = await makeDataDir()
  entry = join(folder, 'trainer.mjs')
  // is ready at once and does nothing of what it is told
  await writeFile(entry, `process.on('message', () => {}); process.send({ type: 'ready', pid: process.pid })`)
})
afterEach(async () => {
  pool?.close()
  await rm(folder, { recursive: true })
})

/** A pool of one trainer, and what it tells. */
function makePool(env: () => NodeJS.ProcessEnv) {
  const lost: string[] = []
  const refused: string[] = []
  pool = new TrainerPool({
    size: 1,
    entry,
    env,
    heartbeatTimeoutMs: 60_000,
    stopTimeoutMs: 400,
    idleTrainerMs: 60_000,
    restarts: { inc() {} },
    log: Fastify().log,
  })
  pool.listen({
    onIdle() {},
    onMessage() {},
    onLost: (_, { reason }) => void lost.push(reason),
    onCannotStart: ({ reason }) => void refused.push(reason),
  })
  return { pool, lost, refused }
}

/** An environment with which no process can be started, as when the system has no memory for one. */
const impossible = () => ({ BAD: 'a\0b' })

test('a start that the system refuses at once is tried again', async () => {
  let starts = 0
  const { pool, lost } = makePool(() => (starts++ < 2 ? impossible() : process.env))
  pool.start()
  await until(() => pool.idleSlots().length === 1, 'the third start works')
  expect(lost).toHaveLength(2)
  expect(lost[0]).toMatch(/^it could not be started: /)
})

test('where every start is refused, the pool says so after four', async () => {
  const { pool, lost, refused } = makePool(impossible)
  pool.start()
  await until(() => refused.length > 0, 'the pool gives up')
  expect(lost).toHaveLength(4)
  expect(pool.slots()).toMatchObject([{ state: 'stopped', pid: null }])
})

test('a stop that its trainer did not live to obey does not kill the replacement', async () => {
  const { pool, lost } = makePool(() => process.env)
  pool.start()
  await until(() => pool.idleSlots().length === 1, 'a trainer is ready')
  pool.assign(0, { task_id: 'task_1', run_id: 'run_1', kind: 'prepare' } as Task)
  pool.stop(null)
  process.kill(pool.pidOf(0)!, 'SIGKILL')
  await until(() => pool.slots()[0]!.state === 'idle', 'the replacement is ready')
  const pid = pool.pidOf(0)
  await new Promise((resolve) => setTimeout(resolve, 800))
  expect(pool.pidOf(0)).toBe(pid)
  expect(lost).toHaveLength(1)
})
