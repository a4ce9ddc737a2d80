import { fileURLToPath } from 'node:url'
import { PredictResponse } from '@noprop/contract'
import { readImage } from '@noprop/datasets'
import sharp from 'sharp'
import Value from 'typebox/value'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { pixelBomb } from './fixtures/pixel-bomb.ts'
import { storeRun, type StoredCheckpoint } from './fixtures/stored-run.ts'
import { type Answer, problem, TestServer } from './support/test-server.ts'

/** The scripted worker is certain that image i of a request is class i; see there for what seeds do. */
const predictionWorkerEntry = fileURLToPath(new URL('./fixtures/scripted-prediction-worker.mjs', import.meta.url))
const seeds = { ends: 1, corrupt: 3, slow: 1300, verySlow: 3000 }

const unknownRun = 'run_01jd4z6k8r9v2w3x4y5z6a7b8c'
const config = { blocks: 2 }
const units = (epochs: Record<number, number>): StoredCheckpoint[] =>
  Object.entries(epochs).map(([block, epoch]) => ({
    block: Number(block),
    epoch,
    step: 10 * epoch,
    bytes: Buffer.from(`${block}/${epoch}`),
  }))

let digit: Buffer
beforeAll(async () => {
  const pixels = await readImage('synthetic-digits', 'test', 0, { dataDir: '' })
  digit = await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
    .png()
    .toBuffer()
})

async function upload(server: TestServer, parts: Record<string, string | Uint8Array>): Promise<Answer<PredictResponse>> {
  const form = new FormData()
  for (const [name, value] of Object.entries(parts))
    form.append(name, typeof value === 'string' ? value : new Blob([Uint8Array.from(value)], { type: 'image/png' }))
  const response = await fetch(`${server.url}/predict`, { method: 'POST', body: form })
  return { status: response.status, headers: response.headers, body: (await response.json()) as PredictResponse }
}

function predict(server: TestServer, body: unknown, headers?: Record<string, string>) {
  return server.request<PredictResponse>('POST', '/predict', body, headers)
}
const instances = (count: number, bytes = digit) => Array.from({ length: count }, () => ({ b64: bytes.toString('base64') }))

describe('without a trained run', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await TestServer.start({ predictionWorkerEntry })
  })
  afterAll(() => server.close())

  test('a prediction is refused with what to do about it', async () => {
    const answer = await upload(server, { image: digit })
    expect(answer.status).toBe(409)
    expect(problem(answer)).toMatchObject({ code: 'NO_MODEL', detail: expect.stringContaining('POST /v1/runs') })
  })

  test('an unknown run is not found', async () => {
    expect(problem(await upload(server, { image: digit, run_id: unknownRun }))).toMatchObject({ status: 404, code: 'RUN_NOT_FOUND' })
  })

  test('a run whose blocks have not all finished an epoch cannot predict, one whose have can', async () => {
    const early = await storeRun(server, { status: 'running', config, checkpoints: units({ 0: 1, 1: 1 }) })
    expect(problem(await upload(server, { image: digit, run_id: early }))).toMatchObject({
      status: 409,
      code: 'RUN_HAS_NO_MODEL',
      errors: [{ pointer: '/run_id' }],
    })
    const later = await storeRun(server, { status: 'running', config, checkpoints: units({ 0: 1, 1: 2, 2: 1 }) })
    expect((await upload(server, { image: digit, run_id: later })).body.run_id).toBe(later)
    // it has not succeeded, so it is not the default
    expect((await upload(server, { image: digit })).status).toBe(409)
  })
})

describe('with a trained run', () => {
  let server: TestServer
  let runId: string
  beforeEach(async () => {
    server = await TestServer.start({ predictionWorkerEntry, predictionQueue: 64 })
    await storeRun(server, { config, checkpoints: units({ 0: 1, 1: 1, 2: 1 }) })
    runId = await storeRun(server, { config, checkpoints: units({ 0: 1, 1: 1, 2: 1 }) })
  })
  afterEach(() => server.close())

  test('an uploaded image gets the answer of the newest run, without what was not asked for', async () => {
    const { status, body } = await upload(server, { image: digit })
    expect(status).toBe(200)
    expect(Value.Errors(PredictResponse, body)).toEqual([])
    expect(body).toMatchObject({ run_id: runId, device: 'scripted' })
    expect(body.predictions).toEqual([{ label: '0', index: 0, probability: 1, probabilities: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0] }])
  })

  test('the chain and the input come on request', async () => {
    const { body } = await upload(server, {
      image: digit,
      return_chain: 'true',
      return_input: 'true',
      run_id: runId,
      seed: '7',
      noise: 'false',
    })
    const [prediction] = body.predictions
    expect(prediction?.chain?.map(({ step, probabilities }) => [step, probabilities[0]])).toEqual([
      [1, expect.closeTo(0.1)],
      [2, 1],
    ])
    expect(prediction?.head?.label).toBe('0')
    expect(prediction?.input).toMatchObject({ inverted: false, cropped: false })
    const seen = await sharp(Buffer.from(prediction!.input!.png_b64, 'base64')).toColourspace('b-w').raw().toBuffer()
    const sent = await sharp(digit).toColourspace('b-w').raw().toBuffer()
    expect(seen.equals(sent)).toBe(true)
  })

  test('a run on colour photographs is asked about one in colour, and answers with the names of its classes', async () => {
    const run_id = await storeRun(server, { dataset: 'cifar-10', config, checkpoints: units({ 0: 1, 1: 1, 2: 1 }) })
    const pixels = Uint8Array.from({ length: 3072 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24)
    const photo = await sharp(pixels, { raw: { width: 32, height: 32, channels: 3 } })
      .png()
      .toBuffer()
    const { body } = await upload(server, { image: photo, run_id, return_input: 'true' })
    const [{ label, probabilities, input }] = body.predictions as [(typeof body.predictions)[number]]
    expect({ label, classes: probabilities.length }).toEqual({ label: 'airplane', classes: 10 })
    expect(input).toMatchObject({ inverted: false, cropped: false })
    const seen = await sharp(Buffer.from(input!.png_b64, 'base64')).raw().toBuffer()
    expect(Uint8Array.from(seen)).toEqual(pixels)
    // the same decoder guards every dataset
    expect(problem(await upload(server, { image: Buffer.from('no image'), run_id }))).toMatchObject({
      status: 415,
      code: 'IMAGE_UNSUPPORTED',
    })
  })

  test('a run on clothes turns a photograph on white into what its network knows', async () => {
    const run_id = await storeRun(server, { dataset: 'fashion-mnist', config, checkpoints: units({ 0: 1, 1: 1, 2: 1 }) })
    const garment = { create: { width: 120, height: 240, channels: 3 as const, background: '#203040' } }
    const photo = await sharp({ create: { width: 400, height: 300, channels: 3, background: '#fff' } })
      .composite([{ input: garment, left: 200, top: 30 }])
      .jpeg()
      .toBuffer()
    const { body } = await predict(server, { instances: instances(1, photo), run_id, return_input: true })
    expect(body.predictions[0]).toMatchObject({ label: 'T-shirt/top', input: { inverted: true, cropped: true } })
  })

  test.each([1, 8, 9, 64])('%i JSON instances are answered in their order', async (count) => {
    const { status, body } = await predict(server, { instances: instances(count) })
    expect(status).toBe(200)
    expect(body.predictions.map(({ index }) => index)).toEqual(Array.from({ length: count }, (_, i) => i % 10))
  })

  test('a data URL is base64 as well', async () => {
    const b64 = `data:image/png;base64,${digit.toString('base64')}`
    expect((await predict(server, { instances: [{ b64 }] })).status).toBe(200)
  })

  test.each<[string, Record<string, string | Uint8Array>, number, string]>([
    ['a text file', { image: Buffer.from('I am not an image') }, 415, '/image'],
    ['an SVG', { image: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>') }, 415, '/image'],
    ['an empty file', { image: Buffer.alloc(0) }, 415, '/image'],
    ['14,000² pixels', { image: pixelBomb(14_000) }, 413, '/image'],
    ['text in place of the file', { image: 'hello' }, 400, '/image'],
    ['no image', { seed: '1' }, 400, '/image'],
    ['a file in another field', { picture: Buffer.from('x') }, 400, '/picture'],
    ['an unknown option', { image: Buffer.from('x'), colour: 'red' }, 400, '/colour'],
    ['a negative seed', { image: Buffer.from('x'), seed: '-1' }, 400, '/seed'],
    ['a seed beyond 32 bits', { image: Buffer.from('x'), seed: '4294967296' }, 400, '/seed'],
    ['noise that is neither true nor false', { image: Buffer.from('x'), noise: 'loud' }, 400, '/noise'],
    ['a run id of another shape', { image: Buffer.from('x'), run_id: '../../etc/passwd' }, 400, '/run_id'],
  ])('an upload with %s is refused, naming the field', async (_, parts, status, pointer) => {
    const answer = await upload(server, parts)
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    expect(problem(answer).errors?.map((error) => error.pointer)).toContain(pointer)
  })

  test('a file beyond ten megabytes is refused', async () => {
    expect(problem(await upload(server, { image: Buffer.alloc(10 * 2 ** 20 + 1) }))).toMatchObject({
      status: 413,
      code: 'BODY_TOO_LARGE',
      errors: [{ pointer: '/image' }],
    })
  })

  test('two files are refused', async () => {
    const form = new FormData()
    for (let i = 0; i < 2; i++) form.append('image', new Blob([Uint8Array.from(digit)]))
    const response = await fetch(`${server.url}/predict`, { method: 'POST', body: form })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ errors: [{ pointer: '/image', detail: expect.stringContaining('one file only') }] })
  })

  test.each<[string, unknown, number, string]>([
    ['no instances', {}, 400, '/instances'],
    ['an empty list', { instances: [] }, 400, '/instances'],
    ['too many', { instances: Array.from({ length: 65 }, () => ({ b64: 'AAAA' })) }, 400, '/instances'],
    ['an instance without an image', { instances: [{}] }, 400, '/instances/0/b64'],
    ['an empty image', { instances: [{ b64: '' }] }, 400, '/instances/0/b64'],
    ['text that is not base64', { instances: [{ b64: 'AAAA' }, { b64: 'not base64!' }] }, 400, '/instances/1/b64'],
    ['base64 of text', { instances: [{ b64: 'aGVsbG8gd29ybGQ=' }] }, 415, '/instances/0/b64'],
    ['an unknown field', { instances: [{ b64: 'AAAA', url: 'http://x' }] }, 400, '/instances/0/url'],
    ['draws without noise', { instances: [{ b64: 'AAAA' }], draws: 4 }, 400, '/draws'],
    ['another number of draws', { instances: [{ b64: 'AAAA' }], noise: true, draws: 3 }, 400, '/draws'],
    ['a seed as text', { instances: [{ b64: 'AAAA' }], seed: '1' }, 400, '/seed'],
  ])('JSON with %s is refused, naming the field', async (_, body, status, pointer) => {
    const answer = await predict(server, body)
    expect(answer.status).toBe(status)
    expect(problem(answer).errors?.map((error) => error.pointer)).toContain(pointer)
  })

  test.each<[string, string, Record<string, string>, number]>([
    ['broken JSON', '{"instances": [', {}, 400],
    ['a bare image', 'PNG', { 'content-type': 'image/png' }, 415],
    ['plain text', 'hello', { 'content-type': 'text/plain' }, 415],
    ['a form without files', 'image=x', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['multipart without a boundary', 'x', { 'content-type': 'multipart/form-data' }, 400],
    [
      'multipart that breaks off',
      '--b\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\nabc',
      { 'content-type': 'multipart/form-data; boundary=b' },
      400,
    ],
  ])('%s is refused', async (_, body, headers, status) => {
    const answer = await predict(server, body, headers)
    expect([answer.status, problem(answer).status]).toEqual([status, status])
  })

  test('an empty body is refused, naming the field', async () => {
    const answer = await server.request('POST', '/predict')
    expect(answer.status).toBe(400)
    expect(problem(answer).errors).toMatchObject([{ pointer: '/image' }])
  })

  test('a worker that dies costs its own request, with a time to try again', async () => {
    const answer = await predict(server, { instances: instances(1), seed: seeds.ends })
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
    expect((await predict(server, { instances: instances(1) })).status).toBe(200)
    expect((await server.get('/livez')).status).toBe(200)
  })

  test('a damaged checkpoint is a problem that says so', async () => {
    const answer = await predict(server, { instances: instances(1), seed: seeds.corrupt })
    expect(problem(answer)).toMatchObject({ status: 500, code: 'MODEL_UNUSABLE', detail: expect.stringContaining('CHECKPOINT_CORRUPT') })
  })

  test('beyond what may wait, requests are turned away at once, and the others answered', async () => {
    const slow = predict(server, { instances: instances(1), seed: seeds.verySlow })
    const crowd = await Promise.all(Array.from({ length: 90 }, () => predict(server, { instances: instances(1) })))
    const refused = crowd.filter(({ status }) => status === 503)
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.length).toBeLessThan(90)
    expect(refused.every(({ headers }) => headers.get('retry-after') === '1')).toBe(true)
    expect(crowd.filter(({ status }) => status === 200).length + refused.length).toBe(90)
    expect((await slow).status).toBe(200)
  })

  test('a client that goes away leaves its place to others', async () => {
    const client = new AbortController()
    const abandoned = fetch(`${server.url}/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ instances: instances(64), seed: seeds.slow }),
      signal: client.signal,
    })
    setTimeout(() => client.abort(), 200)
    await expect(abandoned).rejects.toThrow()
    const startedAt = performance.now()
    expect((await predict(server, { instances: instances(1) })).status).toBe(200)
    // the group that had begun is finished; the seven after it would have taken two seconds
    expect(performance.now() - startedAt).toBeLessThan(1500)
  })

  test('a deleted run no longer answers', async () => {
    expect((await upload(server, { image: digit, run_id: runId })).status).toBe(200)
    expect((await server.request('DELETE', `/v1/runs/${runId}`)).status).toBe(204)
    expect((await upload(server, { image: digit, run_id: runId })).status).toBe(404)
    expect((await server.get(`/v1/runs/${runId}`)).status).toBe(404)
    const { status, body } = await upload(server, { image: digit })
    expect(status).toBe(200)
    expect(body.run_id).not.toBe(runId)
  })
})
