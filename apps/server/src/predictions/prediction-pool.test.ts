import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type BatchLimits, PredictionPool, type PredictionResult } from './prediction-pool.ts'
import type { PredictionTask } from './prediction-task.ts'

const workerEntry = fileURLToPath(new URL('../../test/fixtures/scripted-prediction-worker.mjs', import.meta.url))
const staying = new AbortController().signal
let pool: PredictionPool
let lost: Error[]
let batches: number[]

beforeEach(() => openPool({ images: 32, delayMs: 50 }))
afterEach(() => pool.close())

function openPool(limits: BatchLimits) {
  lost = []
  batches = []
  pool = new PredictionPool({
    workerEntry,
    limits,
    onWorkerLost: (error) => lost.push(error),
    onBatch: (images) => batches.push(images),
  })
}

/** A task of one image for each key; see the scripted worker for what the seed does. */
function task(seed: number, key = 0, ...keys: number[]): PredictionTask {
  const model = { key: 'm', numClasses: 10 } as PredictionTask['model']
  return { model, images: new Float32Array(784 * (1 + keys.length)), keys: [key, ...keys], seed, noise: false, draws: 1 }
}
const classOf = ({ head }: PredictionResult) => head.indexOf(1)
const later = <T>(value: T, ms: number) => new Promise<T>((resolve) => setTimeout(() => resolve(value), ms))
const slow = task(1100)

test('what waits while the thread is busy is computed together, and each gets what is its own', async () => {
  const first = pool.run(slow, staying)
  await later(null, 20)
  const results = await Promise.all([pool.run(task(0, 4), staying), pool.run(task(0, 7, 2), staying), pool.run(task(0, 9), staying)])
  expect(classOf(await first)).toBe(0)
  expect(batches).toEqual([1, 4])
  expect(results.map(classOf)).toEqual([4, 7, 9])
  expect(results.map(({ head }) => head.length)).toEqual([10, 20, 10])
  expect(results[1]!.head.indexOf(1, 10)).toBe(12)
  expect(results.map(({ estimates }) => estimates.map((values) => values.length))).toEqual([
    [10, 10],
    [20, 20],
    [10, 10],
  ])
})

test('a batch is never larger than its limit', async () => {
  await pool.close()
  openPool({ images: 4, delayMs: 50 })
  const first = pool.run(slow, staying)
  await later(null, 20)
  const keys = [[1], [2, 3, 4], [5, 6], [7]] as const
  await Promise.all([first, ...keys.map((own) => pool.run(task(0, ...(own as readonly [number])), staying))])
  expect(batches).toEqual([1, 4, 3])
})

test('a batch of more than eight is a multiple of eight, and the rest waits for the next', async () => {
  const first = pool.run(slow, staying)
  await later(null, 20)
  const results = await Promise.all(Array.from({ length: 21 }, (_, i) => pool.run(task(0, i), staying)))
  await first
  expect(batches).toEqual([1, 16, 5])
  expect(results.map(classOf)).toEqual(Array.from({ length: 21 }, (_, i) => i % 10))
})

test('with a limit of one, each is computed alone', async () => {
  await pool.close()
  openPool({ images: 1, delayMs: 50 })
  const results = await Promise.all([3, 1, 2].map((key) => pool.run(task(0, key), staying)))
  expect(results.map(classOf)).toEqual([3, 1, 2])
  expect(batches).toEqual([1, 1, 1])
})

test('only what asks the same of the same network is computed together, the longest waiting first', async () => {
  const first = pool.run(slow, staying)
  await later(null, 20)
  const order: string[] = []
  const run = (name: string, changes: Partial<PredictionTask>) => pool.run({ ...task(0), ...changes }, staying).then(() => order.push(name))
  const other = { ...task(0).model, key: 'other' }
  const loading = { images: new Float32Array(), keys: [] }
  await Promise.all([
    first,
    run('a', {}),
    run('other', { model: other }),
    run('noise', { noise: true }),
    run('draws', { noise: true, draws: 4 }),
    run('b', {}),
    run('seed', { noise: true, seed: 1000 }),
    run('loading', loading),
  ])
  expect(order).toEqual(['a', 'b', 'other', 'noise', 'draws', 'seed', 'loading'])
  expect(batches).toEqual([1, 2, 1, 1, 1, 1, 0])
})

test('what is ready waits for what is still being prepared', async () => {
  const results = await Promise.all([pool.run(task(0, 4), staying), pool.run(later(task(0, 7), 10), staying)])
  expect(results.map(classOf)).toEqual([4, 7])
  expect(batches).toEqual([2])
})

test('but no longer than the delay', async () => {
  const late = pool.run(later(task(0, 7), 2000), staying)
  const startedAt = performance.now()
  await pool.run(task(0, 4), staying)
  expect(performance.now() - startedAt).toBeLessThan(1500)
  expect(classOf(await late)).toBe(7)
  expect(batches).toEqual([1, 1])
})

test('nor where a full batch has come, or where nothing can come any more', async () => {
  await pool.close()
  openPool({ images: 2, delayMs: 60_000 })
  await pool.run(task(0), staying)
  let fail!: (error: Error) => void
  const failing = pool.run(new Promise<PredictionTask>((_, reject) => (fail = reject)), staying)
  await Promise.all([pool.run(task(0), staying), pool.run(task(0), staying)])
  const waiting = pool.run(task(0), staying)
  await later(null, 20)
  fail(new Error('no image'))
  await expect(failing).rejects.toThrow('no image')
  await waiting
  expect(batches).toEqual([1, 2, 1])
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
  await later(null, 20)
  const waiting = pool.run(task(0), staying)
  const closed = pool.close()
  await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(pool.run(task(0), staying)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect((await running).ok).toBe(true)
  await closed
})
