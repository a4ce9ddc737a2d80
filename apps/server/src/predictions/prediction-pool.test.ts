import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { PredictionPool } from './prediction-pool.ts'
import type { PredictionTask } from './prediction-task.ts'

const workerEntry = fileURLToPath(new URL('../../test/fixtures/scripted-prediction-worker.mjs', import.meta.url))
const staying = new AbortController().signal
let pool: PredictionPool
let lost: Error[]

beforeEach(() => {
  lost = []
  pool = new PredictionPool({ workerEntry, onWorkerLost: (error) => lost.push(error) })
})
afterEach(() => pool.close())

/** A task of one image; see the scripted worker for what the seed does. */
function task(seed: number, key = 0): PredictionTask {
  const model = { key: 'm', numClasses: 10 } as PredictionTask['model']
  return { model, images: new Float32Array(784), keys: [key], seed, noise: false }
}
const slow = task(1100)

test('tasks are answered one after another, each with its own result', async () => {
  const results = await Promise.all([4, 7].map((key) => pool.run(task(0, key), staying)))
  expect(results.map(({ head }) => head.indexOf(1))).toEqual([4, 7])
})

test('a task whose client went away while it waited is never run', async () => {
  const client = new AbortController()
  const running = pool.run(slow, staying)
  // its seed would end the thread
  const abandoned = pool.run(task(1), client.signal)
  client.abort(new Error('gone'))
  await expect(abandoned).rejects.toThrow('gone')
  expect((await running).ok).toBe(true)
  expect(lost).toEqual([])
})

test('a thread that dies costs the task it had; the next one finds another thread', async () => {
  const [dying, next] = await Promise.allSettled([pool.run(task(1), staying), pool.run(task(0, 5), staying)])
  expect(dying).toMatchObject({ status: 'rejected', reason: { code: 'PREDICTION_INTERRUPTED', statusCode: 503 } })
  expect(next).toMatchObject({ status: 'fulfilled', value: { ok: true, device: 'scripted' } })
  expect(lost.length).toBeGreaterThan(0)
})

test('an exception in the thread is an answer, not the end', async () => {
  await expect(pool.run(task(2), staying)).rejects.toMatchObject({ statusCode: 503 })
  await expect(pool.run(task(3), staying)).rejects.toMatchObject({ code: 'MODEL_UNUSABLE', statusCode: 500 })
  expect((await pool.run(task(0), staying)).ok).toBe(true)
})

test('closing refuses what waits, and lets what runs come to its end', async () => {
  const running = pool.run(slow, staying)
  const waiting = pool.run(task(0), staying)
  const closed = pool.close()
  await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(pool.run(task(0), staying)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect((await running).ok).toBe(true)
  await closed
})
