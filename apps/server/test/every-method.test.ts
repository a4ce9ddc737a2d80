/** Every method with every label embedding, from the request to a prediction, with the trainers and the prediction worker that ship. */

import { fileURLToPath } from 'node:url'
import type { Evaluation, Page, PredictResponse, RunConfig } from '@noprop/contract'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeTrainingDataDir, TestServer } from './support/test-server.ts'

const trainerEntry = fileURLToPath(new URL('../../../dist/trainer/main.js', import.meta.url))

const kinds: [RunConfig['method'], RunConfig['embedding'][]][] = [
  ['noprop-dt', ['one-hot', 'learned', 'prototype']],
  ['noprop-ct', ['one-hot', 'learned', 'prototype']],
  ['noprop-fm', ['one-hot', 'learned', 'prototype']],
  ['backprop', ['one-hot', 'learned', 'prototype']],
  ['adjoint', ['one-hot', 'learned']],
  ['forward-forward', ['one-hot']],
]
const combinations = kinds.flatMap(([method, embeddings]) => embeddings.map((embedding) => ({ method, embedding })))

const tiny: Partial<RunConfig> = {
  blocks: 2,
  channels: [4, 6, 8],
  features: 16,
  epochs: 2,
  batch_size: 32,
  train_limit: 640,
  test_limit: 125,
  validation_size: 0,
  metrics_interval: 5,
  noise_samples: 1,
  inference_steps: 8,
}

let server: TestServer
let image: Uint8Array<ArrayBuffer>
beforeAll(async () => {
  server = await TestServer.start({ dataDir: await makeTrainingDataDir(), trainerEntry, heartbeatTimeoutMs: 20_000 })
  image = new Uint8Array(await (await fetch(`${server.url}/v1/datasets/synthetic-digits/images/test/0`)).arrayBuffer())
})
afterAll(() => server.close())

test.for(combinations)('$method with $embedding labels trains, is evaluated and predicts', async (kind) => {
  const { id } = await server.createRun({ dataset: 'synthetic-digits', preset: 'smoke', config: { ...tiny, ...kind } })
  const run = await server.ended(id, 120)
  expect(run).toMatchObject({ status: 'succeeded', failure: null, progress: { epoch: 2, fraction: 1 } })
  expect(run.metrics['train_loss']).toSatisfy(Number.isFinite)
  expect(run.progress.step).toBe(run.progress.steps)

  const { body } = await server.get<Page<Evaluation>>(`/v1/runs/${id}/evaluations`)
  expect(body.items.map(({ epoch, examples }) => [epoch, examples])).toEqual([
    [2, 125],
    [1, 125],
  ])
  const [{ chain_steps: steps, noisy, loss }] = body.items as [Evaluation]
  expect(noisy.after_step).toHaveLength(steps.length)
  expect(loss).toSatisfy(Number.isFinite)

  const form = new FormData()
  form.append('image', new Blob([image]))
  form.append('run_id', id)
  form.append('return_chain', 'true')
  const answer = (await (await fetch(`${server.url}/predict`, { method: 'POST', body: form })).json()) as PredictResponse
  const { chain, head, probabilities } = answer.predictions[0]!
  expect(chain!.map(({ step }) => step)).toEqual(steps)
  for (const values of [probabilities, head!.probabilities, ...chain!.map((step) => step.probabilities)])
    expect(values.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 4)
})
