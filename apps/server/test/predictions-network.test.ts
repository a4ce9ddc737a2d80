import { writeFile } from 'node:fs/promises'
import type { PredictResponse } from '@noprop/contract'
import { networkOf } from '@noprop/contract'
import { datasetCatalog, normalizePixels, readImage } from '@noprop/datasets'
import { type HostTensors, openDevice } from '@noprop/engine'
import { buildModel, encodeCheckpoint } from '@noprop/noprop'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findPreset } from '../src/runs/presets.ts'
import { storeRun } from './fixtures/stored-run.ts'
import { problem, TestServer } from './support/test-server.ts'

/** The worker thread that ships, on networks with random weights. */
const config = { blocks: 3, channels: [4, 8, 8], features: 32, noise_samples: 1 }
const model = buildModel(networkOf({ ...findPreset('quick')!.config, ...config }, { imageShape: [28, 28, 1], numClasses: 10 }))

const statesOf = (seed: number) => new Map(model.units.map((unit) => [unit.block, unit.initialState(seed)]))
const filesOf = (states: ReadonlyMap<number, HostTensors>, epoch: number) =>
  [...states].map(([block, state]) => ({
    block,
    epoch,
    step: 10 * epoch,
    bytes: encodeCheckpoint({ config, block, epoch, step: 10 * epoch, state }),
  }))

let server: TestServer
let images: Uint8Array[]
let instances: { b64: string }[]

beforeAll(async () => {
  server = await TestServer.start()
  images = await Promise.all(Array.from({ length: 11 }, (_, i) => readImage('synthetic-digits', 'test', i, { dataDir: '' })))
  instances = await Promise.all(
    images.map(async (pixels) => {
      const png = await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
        .png()
        .toBuffer()
      return { b64: png.toString('base64') }
    }),
  )
})
afterAll(() => server.close())

async function predict(body: object): Promise<PredictResponse> {
  const answer = await server.request<PredictResponse>('POST', '/predict', body)
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
  return answer.body
}

/** What the metrics say was put through networks, and in how many batches. */
async function batchCounts(): Promise<{ images: number; batches: number }> {
  const text = await (await fetch(`${server.url}/metrics`)).text()
  const read = (suffix: string) => Number(new RegExp(`^noprop_prediction_batch_images_${suffix} (\\d+)$`, 'm').exec(text)![1])
  return { images: read('sum'), batches: read('count') }
}

const probabilitiesOf = ({ predictions }: PredictResponse) => predictions.map(({ probabilities }) => probabilities)

function expectClose(actual: readonly number[], expected: ArrayLike<number>) {
  expect(actual).toHaveLength(expected.length)
  // two ways to sum the same products in 32-bit floating point
  actual.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-4))
}

test('the answer is what the chain computes from the checkpoints, block by block, on the reference device', async () => {
  const states = statesOf(5)
  const runId = await storeRun(server, { config, checkpoints: [...filesOf(statesOf(4), 1), ...filesOf(states, 2)] })
  const { predictions, device } = await predict({ instances: instances.slice(0, 2), run_id: runId, return_chain: true, seed: 9 })
  expect(device).toContain('ONNX Runtime')

  const chain = model.chain({ batchSize: 2, samples: [false] })
  const reference = await openDevice('reference')
  const program = await reference.compile(chain.programs['chain']!, { constants: chain.weights(states)['chain'] })
  const pixels = normalizePixels(Buffer.concat(images.slice(0, 2)), datasetCatalog.mnist.normalization)
  const expected = await chain.run((_name, inputs) => program.run(inputs), pixels, [0, 1], 9)
  predictions.forEach((prediction, i) => {
    expectClose(prediction.head!.probabilities, expected.head[0]!.subarray(10 * i, 10 * i + 10))
    expect(prediction.chain!.map(({ step }) => step)).toEqual([1, 2, 3])
    prediction.chain!.forEach(({ probabilities }, t) =>
      expectClose(probabilities, expected.estimates[t]![0]!.subarray(10 * i, 10 * i + 10)),
    )
    expect(prediction.probabilities).toEqual(prediction.chain!.at(-1)!.probabilities)
    expect(prediction.index).toBe(prediction.probabilities.indexOf(Math.max(...prediction.probabilities)))
    expect(prediction.label).toBe(String(prediction.index))
  })
  reference.dispose()
})

test('images get the same answer alone and in groups', async () => {
  const run_id = await storeRun(server, { config, checkpoints: filesOf(statesOf(1), 1) })
  const together = probabilitiesOf(await predict({ instances, run_id }))
  expect(together).toHaveLength(11)
  expectClose(probabilitiesOf(await predict({ instances: instances.slice(0, 1), run_id }))[0]!, together[0]!)
  expectClose(probabilitiesOf(await predict({ instances: instances.slice(0, 9), run_id }))[8]!, together[8]!)
})

test('images that are sent at the same time are computed together, and get the answers that they get alone', async () => {
  const run_id = await storeRun(server, { config, checkpoints: filesOf(statesOf(6), 1) })
  const alone: PredictResponse['predictions'] = []
  for (const instance of instances) alone.push(...(await predict({ instances: [instance], run_id, return_chain: true })).predictions)

  const batchesBefore = await batchCounts()
  const crowd = await Promise.all(
    Array.from({ length: 60 }, (_, i) => predict({ instances: [instances[i % 11]!], run_id, return_chain: true })),
  )
  const { images: count, batches } = await batchCounts()
  expect(count - batchesBefore.images).toBe(60)
  expect(batches - batchesBefore.batches).toBeLessThan(30)

  crowd.forEach(({ predictions: [prediction] }, i) => {
    const single = alone[i % 11]!
    expect(prediction!.label).toBe(single.label)
    const chains = [prediction!, single].map(({ chain, head }) => [...chain!, head!].flatMap(({ probabilities }) => probabilities))
    chains[0]!.forEach((value, k) => expect(Math.abs(value - chains[1]![k]!)).toBeLessThan(1e-5))
  })
})

test('with noise, images that are computed together have the draws that they have alone', async () => {
  const run_id = await storeRun(server, { config, checkpoints: filesOf(statesOf(7), 1) })
  const ask = async (instance: { b64: string }) =>
    probabilitiesOf(await predict({ instances: [instance], run_id, noise: true, seed: 3 }))[0]!
  const alone: number[][] = []
  for (const instance of instances) alone.push(await ask(instance))
  const together = await Promise.all(instances.map(ask))
  together.forEach((probabilities, i) => probabilities.forEach((p, k) => expect(Math.abs(p - alone[i]![k]!)).toBeLessThan(1e-5)))
})

test('the noise follows the seed; without noise the answer is always the same', async () => {
  const run_id = await storeRun(server, { config, checkpoints: filesOf(statesOf(2), 1) })
  const ask = async (options: object) => probabilitiesOf(await predict({ instances: instances.slice(0, 1), run_id, ...options }))[0]!
  const noisy = await ask({ noise: true, seed: 1 })
  expect(await ask({ noise: true, seed: 1 })).toEqual(noisy)
  expect(await ask({ noise: true, seed: 2 })).not.toEqual(noisy)
  expect(await ask({ seed: 1 })).toEqual(await ask({ seed: 1 }))
})

test('several draws are chains of their own, and the answer is their mean', async () => {
  const states = statesOf(8)
  const run_id = await storeRun(server, { config, checkpoints: filesOf(states, 1) })
  const options = { instances: instances.slice(0, 2), run_id, noise: true, seed: 4, return_chain: true }
  const { predictions } = await predict({ ...options, draws: 4 })

  const chain = model.chain({ batchSize: 2, samples: [true, true, true, true] })
  const reference = await openDevice('reference')
  const program = await reference.compile(chain.programs['chain']!, { constants: chain.weights(states)['chain'] })
  const pixels = normalizePixels(Buffer.concat(images.slice(0, 2)), datasetCatalog.mnist.normalization)
  const { estimates, head } = await chain.run((_name, inputs) => program.run(inputs), pixels, [0, 1], 4)
  const mean = (samples: readonly Float32Array[], image: number) =>
    Array.from({ length: 10 }, (_, k) => samples.reduce((sum, values) => sum + values[10 * image + k]!, 0) / 4)
  expect(new Set(head.map(String)).size).toBe(4)
  predictions.forEach((prediction, i) => {
    expectClose(prediction.probabilities, mean(estimates.at(-1)!, i))
    expectClose(prediction.head!.probabilities, mean(head, i))
  })
  expect(probabilitiesOf(await predict({ ...options, draws: 1 }))).toEqual(probabilitiesOf(await predict(options)))
  reference.dispose()
})

test('more networks than the worker keeps are all still answered', async () => {
  const ids: string[] = []
  for (let seed = 10; seed < 15; seed++) ids.push(await storeRun(server, { config, checkpoints: filesOf(statesOf(seed), 1) }))
  const ask = async (run_id: string) => probabilitiesOf(await predict({ instances: instances.slice(0, 1), run_id }))[0]!
  const first = []
  for (const id of ids) first.push(await ask(id))
  expect(new Set(first.map(String)).size).toBe(5)
  for (const [i, id] of ids.entries()) expect(await ask(id)).toEqual(first[i])
})

test('a checkpoint that is not the recorded one is refused, and nothing is computed from it', async () => {
  const files = filesOf(statesOf(3), 1)
  const run_id = await storeRun(server, { config, checkpoints: files })
  const { id } = (await server.app.db.checkpoint.findFirst({ where: { runId: run_id, block: 2 } }))!
  await writeFile(server.app.checkpointPath(run_id, id), files[1]!.bytes)
  const answer = await server.request('POST', '/predict', { instances: instances.slice(0, 1), run_id })
  expect(problem(answer)).toMatchObject({ status: 500, code: 'MODEL_UNUSABLE', detail: expect.stringContaining('block 2') })
})
