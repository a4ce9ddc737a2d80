import { afterAll, beforeAll, expect, test } from 'vitest'
import { CheckpointGoneError, type PredictionResult } from '../src/predictions/prediction-pool.ts'
import { PredictionService } from '../src/predictions/prediction-service.ts'
import type { PredictionTask } from '../src/predictions/prediction-task.ts'
import { storeRun } from './fixtures/stored-run.ts'
import { TestServer } from './support/test-server.ts'
import { readImage } from '@noprop/datasets'
import sharp from 'sharp'

const config = { blocks: 1 }
const checkpoints = (epoch: number) => [0, 1].map((block) => ({ block, epoch, step: 10 * epoch, bytes: Buffer.from(`${block}/${epoch}`) }))
const nobodyLeaves = new AbortController().signal

let server: TestServer
let image: Buffer
beforeAll(async () => {
  server = await TestServer.start()
  const pixels = await readImage('synthetic-digits', 'test', 0, { dataDir: '' })
  image = await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
    .png()
    .toBuffer()
})
afterAll(() => server.close())

/** A pool that finds the files of the first task gone, after `meanwhile`. */
function serviceWhosePoolLosesFiles(meanwhile: () => Promise<unknown>) {
  const tasks: PredictionTask[] = []
  const run = async (preparing: PredictionTask | Promise<PredictionTask>): Promise<PredictionResult> => {
    tasks.push(await preparing)
    if (tasks.length === 1) {
      await meanwhile()
      throw new CheckpointGoneError()
    }
    const certain = Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    return { ok: true, steps: [1], estimates: [certain], head: certain, device: 'test', chainSeconds: 0 }
  }
  const { db, runs, checkpointPath } = server.app
  return { tasks, service: new PredictionService({ db, runs, checkpointPath, pool: { run }, maxRequests: 1, groupSize: 8 }) }
}

test('a run that replaces its checkpoints while a prediction waits answers with the new ones', async () => {
  const runId = await storeRun(server, { status: 'running', config, checkpoints: checkpoints(1) })
  const { tasks, service } = serviceWhosePoolLosesFiles(() =>
    server.app.database.write(({ db }) => db.checkpoint.updateMany({ where: { runId }, data: { epoch: 2, step: 20, sha256: 'new' } })),
  )
  const { predictions } = await service.predict([{ bytes: image, pointer: '/image' }], { run_id: runId }, nobodyLeaves)
  expect(predictions[0]!.label).toBe('0')
  expect(tasks.map(({ model }) => model.checkpoints.every(({ sha256 }) => sha256 === 'new'))).toEqual([false, true])
})

test('files that an ended run has lost are an error at once', async () => {
  const runId = await storeRun(server, { status: 'succeeded', config, checkpoints: checkpoints(1) })
  const { tasks, service } = serviceWhosePoolLosesFiles(async () => undefined)
  await expect(service.predict([{ bytes: image, pointer: '/image' }], { run_id: runId }, nobodyLeaves)).rejects.toMatchObject({
    code: 'MODEL_UNUSABLE',
  })
  expect(tasks).toHaveLength(1)
})
