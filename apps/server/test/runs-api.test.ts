import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { type CreateRun, type MetricSeriesList, type Page, Preset, Run } from '@noprop/contract'
import Type from 'typebox'
import Value from 'typebox/value'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, problem, smallRun, TestServer } from './support/test-server.ts'

const unknownRun = 'run_00000000000000000000000000'

let server: TestServer
beforeAll(async () => void (server = await TestServer.start()))
afterAll(() => server.close())

const countRuns = () => server.app.db.run.count()
const create = (body: unknown, headers?: Record<string, string>) => server.request<Run>('POST', '/v1/runs', body, headers)

describe('creating a run', () => {
  test('answers 201 with the run in full and where it is', async () => {
    const answer = await create({ dataset: 'mnist', preset: 'smoke', name: 'My run', config: { seed: 7, train_limit: 320 } })
    expect(answer.status).toBe(201)
    expect(answer.headers.get('location')).toBe(`/v1/runs/${answer.body.id}`)
    expect(Value.Errors(Run, answer.body)).toEqual([])
    expect(answer.body).toMatchObject({
      name: 'My run',
      status: 'queued',
      preset: 'smoke',
      config: { seed: 7, train_limit: 320, blocks: 2 },
    })
    expect((await server.ended(answer.body.id)).status).toBe('succeeded')
  })

  test('without a preset starts from Quick, and names the run after what it is', async () => {
    const { body } = await create({ dataset: 'mnist', config: smallRun().config })
    expect(body).toMatchObject({ preset: null, name: 'mnist custom', config: { features: 256, noise_samples: 4 } })
    await server.ended(body.id)
  })

  const bad: [string, unknown, number, string[]][] = [
    ['an unknown dataset', { dataset: 'imagenet' }, 400, ['/dataset']],
    ['no dataset', { preset: 'quick' }, 400, ['/dataset']],
    ['an unknown preset', { dataset: 'mnist', preset: 'turbo' }, 422, ['/preset']],
    ['negative epochs', { dataset: 'mnist', config: { epochs: -1 } }, 400, ['/config/epochs']],
    ['a billion blocks', { dataset: 'mnist', config: { blocks: 1e9 } }, 400, ['/config/blocks']],
    ['a number as text', { dataset: 'mnist', config: { epochs: '3' } }, 400, ['/config/epochs']],
    ['half an epoch', { dataset: 'mnist', config: { epochs: 1.5 } }, 400, ['/config/epochs']],
    ['two widths', { dataset: 'mnist', config: { channels: [1, 2] } }, 400, ['/config/channels']],
    ['a field that does not exist', { dataset: 'mnist', config: { momentum: 0.9 } }, 400, ['/config/momentum']],
    ['another field that does not exist', { dataset: 'mnist', user: 'root' }, 400, ['/user']],
    ['a prototype', '{"dataset":"mnist","config":{"__proto__":{"epochs":1}}}', 400, []],
    ['several faults', { dataset: 'x', config: { eta: 0, dropout: 1 } }, 400, ['/dataset', '/config/eta', '/config/dropout']],
    ['a limit of text', { dataset: 'mnist', config: { train_limit: 'all' } }, 400, ['/config/train_limit']],
    ['more images than there are', { dataset: 'mnist', preset: 'quick', config: { train_limit: 55_001 } }, 422, ['/config/train_limit']],
    ['batches larger than the data', { dataset: 'mnist', config: { train_limit: 100, batch_size: 128 } }, 422, ['/config/batch_size']],
    ['more test images than there are', { dataset: 'mnist', config: { test_limit: 10_001 } }, 422, ['/config/test_limit']],
    [
      'training images as the beginning of an embedding that is not as long as one',
      { dataset: 'mnist', config: { embedding: 'learned', embedding_init: 'prototype' } },
      422,
      ['/config/embedding_init'],
    ],
    [
      'labels that forward-forward cannot train',
      { dataset: 'mnist', config: { method: 'forward-forward', embedding: 'learned' } },
      422,
      ['/config/embedding'],
    ],
    ['a name of spaces', { dataset: 'mnist', name: '   ' }, 422, ['/name']],
    ['a name with control characters', { dataset: 'mnist', name: 'a\u0000b' }, 422, ['/name']],
    ['an endless name', { dataset: 'mnist', name: 'x'.repeat(121) }, 400, ['/name']],
    ['an empty object', {}, 400, ['/dataset']],
    ['an array', [], 400, ['']],
    ['null', 'null', 400, ['']],
    ['broken JSON', '{"dataset":', 400, []],
    ['an empty body', '', 400, []],
  ]
  test.for(bad)('refuses %s, naming the field, and stores nothing', async ([, body, status, pointers]) => {
    const before = await countRuns()
    const answer = await create(body)
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(problem(answer)).toMatchObject({ type: 'about:blank', status, request_id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string })
    expect((problem(answer).errors ?? []).map(({ pointer }) => pointer).sort()).toEqual([...pointers].sort())
    expect(await countRuns()).toBe(before)
  })

  test.for(['application/xml', 'text/plain', 'multipart/form-data; boundary=x'])('refuses a body of %s', async (type) => {
    const answer = await create('dataset=mnist', { 'content-type': type })
    expect(answer).toMatchObject({ status: 415, body: { code: 'UNSUPPORTED_MEDIA_TYPE' } })
  })

  test('refuses a body of two megabytes', async () => {
    const answer = await create({ dataset: 'mnist', name: 'x'.repeat(2 << 20) })
    expect(answer).toMatchObject({ status: 413, body: { code: 'BODY_TOO_LARGE' } })
  })
})

describe('an Idempotency-Key', () => {
  const tiny: CreateRun = smallRun({ eta: 0.1 })

  test('makes twenty simultaneous requests create one run', async () => {
    const before = await countRuns()
    const headers = { 'idempotency-key': 'same-for-all' }
    const answers = await Promise.all(Array.from({ length: 20 }, () => create(tiny, headers)))
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1)
    expect(answers.filter((answer) => answer.headers.get('idempotency-replayed') === 'true')).toHaveLength(19)
    expect(await countRuns()).toBe(before + 1)
    await server.ended(answers[0]!.body.id)
  })

  test('counts two bodies as the same when only the order of their fields differs', async () => {
    const headers = { 'idempotency-key': 'reordered' }
    const first = await create(tiny, headers)
    const second = await create({ config: tiny.config, preset: tiny.preset, dataset: tiny.dataset }, headers)
    expect(second.body).toEqual(first.body)
  })

  test('is refused with another body', async () => {
    const headers = { 'idempotency-key': 'other-body' }
    await create(tiny, headers)
    const before = await countRuns()
    expect(await create({ ...tiny, name: 'other' }, headers)).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } })
    expect(await countRuns()).toBe(before)
  })

  test('of a refused request may be used again', async () => {
    const headers = { 'idempotency-key': 'after-a-mistake' }
    expect((await create({ ...tiny, preset: 'turbo' }, headers)).status).toBe(422)
    expect((await create(tiny, headers)).status).toBe(201)
  })

  test('is forgotten after a day', async () => {
    const headers = { 'idempotency-key': 'yesterday' }
    const first = await create(tiny, headers)
    await server.app.database.write(({ db }) =>
      db.idempotencyKey.update({ where: { key: 'yesterday' }, data: { createdAt: new Date(Date.now() - 25 * 3600 * 1000) } }),
    )
    const second = await create(tiny, headers)
    expect(second.body.id).not.toBe(first.body.id)
  })

  test('too long is refused', async () => {
    expect((await create(tiny, { 'idempotency-key': 'x'.repeat(300) })).status).toBe(400)
  })
})

describe('listing runs', () => {
  test('gives every run once, newest first, page by page', async () => {
    for (let i = 0; i < 5; i++) await create(smallRun({ eta: 0.1 }))
    const expected = (await server.app.db.run.findMany({ orderBy: { id: 'desc' }, select: { id: true } })).map(({ id }) => id)
    const ids: string[] = []
    for (let path: string | null = '/v1/runs?page_size=3'; path;) {
      const { body }: Answer<Page<Run>> = await server.get<Page<Run>>(path)
      expect(body.items.length).toBeLessThanOrEqual(3)
      ids.push(...body.items.map(({ id }) => id))
      path = body.next_page_token && `/v1/runs?page_size=3&page_token=${body.next_page_token}`
    }
    expect(ids).toEqual(expected)
    await server.ended(ids[0]!)
  })

  test('filters by status', async () => {
    const { body } = await server.get<Page<Run>>('/v1/runs?status=succeeded')
    expect(body.items.length).toBeGreaterThan(0)
    expect(body.items.every(({ status }) => status === 'succeeded')).toBe(true)
    expect((await server.get<Page<Run>>('/v1/runs?status=failed')).body.items).toEqual([])
  })

  test.for([
    'page_size=0',
    'page_size=201',
    'page_size=x',
    'page_token=%00',
    'page_token=abc',
    'page_token=',
    'status=done',
    'sort=name',
    "status=queued'--",
  ])('refuses ?%s', async (query) => {
    const answer = await server.get(`/v1/runs?${query}`)
    expect(answer.status).toBe(400)
    expect(problem(answer).errors![0]!.pointer).toBe(`/${query.split('=')[0]}`)
  })
})

describe('one run', () => {
  test.for(['', '/events', '/metrics', '/checkpoints', '/evaluations'])('that does not exist is 404: %s', async (path) => {
    expect(await server.get(`/v1/runs/${unknownRun}${path}`)).toMatchObject({ status: 404, body: { code: 'RUN_NOT_FOUND' } })
  })

  test.for(['x', '../../etc/passwd', '%2e%2e%2fetc', 'run_', `${unknownRun}x`, '%00', 'ü'])(
    'with an id like %s is never 500',
    async (id) => {
      const answer = await server.get(`/v1/runs/${id}`)
      expect([400, 404]).toContain(answer.status)
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    },
  )

  test('is waited for until its end', async () => {
    const { id } = await server.createRun(smallRun({ eta: 10 }))
    const answer = await server.get<Run>(`/v1/runs/${id}?wait_seconds=20`)
    expect(answer.body.status).toBe('succeeded')
  })

  test('that goes on is answered when the time is over', async () => {
    const { id } = await server.createRun(smallRun({ eta: 200 }))
    const askedAt = Date.now()
    const { body } = await server.get<Run>(`/v1/runs/${id}?wait_seconds=1`)
    expect(['starting', 'running']).toContain(body.status)
    expect(Date.now() - askedAt).toBeGreaterThan(900)
    await server.request('POST', `/v1/runs/${id}/cancel`)
    await server.ended(id)
  })

  test.for(['wait_seconds=301', 'wait_seconds=-1', 'wait_seconds=soon', 'wait=1'])('refuses ?%s', async (query) => {
    expect((await server.get(`/v1/runs/${unknownRun}?${query}`)).status).toBe(400)
  })
})

describe('deleting a run', () => {
  test('removes its rows and its files', async () => {
    const { id } = await server.ended((await server.createRun(smallRun())).id)
    expect((await server.request('DELETE', `/v1/runs/${id}`)).status).toBe(204)
    expect((await server.get(`/v1/runs/${id}`)).status).toBe(404)
    const { db } = server.app
    const where = { where: { runId: id } }
    const left = await Promise.all([
      db.runEvent.count(where),
      db.metric.count(where),
      db.checkpoint.count(where),
      db.task.count(where),
      db.evaluation.count(where),
      db.blockState.count(where),
    ])
    expect(left).toEqual([0, 0, 0, 0, 0, 0])
    await expect(access(join(server.dataDir, 'runs', id))).rejects.toThrow()
  })

  test('that has not ended is refused', async () => {
    const { id } = await server.createRun(smallRun({ eta: 100 }))
    expect(await server.request('DELETE', `/v1/runs/${id}`)).toMatchObject({ status: 409, body: { code: 'RUN_NOT_FINAL' } })
    await server.request('POST', `/v1/runs/${id}/cancel`)
    await server.ended(id)
  })

  test('that does not exist is 404', async () => {
    expect((await server.request('DELETE', `/v1/runs/${unknownRun}`)).status).toBe(404)
  })
})

describe('metrics', () => {
  let id: string
  beforeAll(async () => {
    id = (await server.ended((await server.createRun(smallRun())).id)).id
    await server.app.database.write(async ({ db }) => {
      // a flat line with one high and one low outlier
      const points = Array.from({ length: 20_000 }, (_, i) => ({ step: i + 1, value: i === 12_344 ? 99 : i === 500 ? -99 : 1 }))
      await db.$executeRaw`INSERT INTO "Metric" ("runId", "name", "block", "step", "value")
        SELECT ${id}, 'long', 1, value ->> 'step', value ->> 'value' FROM json_each(${JSON.stringify(points)})`
    })
  })
  const series = async (query: string) => (await server.get<MetricSeriesList>(`/v1/runs/${id}/metrics?${query}`)).body.items

  test('of a long history keep its peaks, its order and the limit', async () => {
    for (const maxPoints of [2, 3, 100, 500, 5000]) {
      const [line] = await series(`name=long&max_points=${maxPoints}`)
      expect(line!.total_points).toBe(20_000)
      expect(line!.points.length).toBeLessThanOrEqual(maxPoints)
      expect(line!.points).toEqual([...line!.points].sort((a, b) => a[0]! - b[0]!))
      expect(line!.points).toContainEqual([12_345, 99])
      expect(line!.points).toContainEqual([501, -99])
    }
  })

  test('of a short history are complete', async () => {
    const [line] = await series('name=denoising_loss&block=2')
    expect(line).toMatchObject({ name: 'denoising_loss', block: 2, total_points: 10 })
    expect(line!.points.map(([step]) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  test('are filtered by name and by block', async () => {
    expect((await series('block=1')).map(({ name }) => name)).toEqual(['accuracy', 'denoising_loss', 'long'])
    expect(await series('name=nothing')).toEqual([])
  })

  test.for(['max_points=1', 'max_points=5001', 'block=-1', 'name=', 'from=1'])('refuse ?%s', async (query) => {
    expect((await server.get(`/v1/runs/${id}/metrics?${query}`)).status).toBe(400)
  })
})

test('presets are complete configurations, without an estimate before this machine was measured', async () => {
  const { body } = await server.get<{ items: Preset[] }>('/v1/presets')
  expect(body.items.map(({ name }) => name)).toEqual(expect.arrayContaining(['quick', 'quick-learned', 'smoke', 'paper-dt-mnist-onehot']))
  expect(Value.Errors(Type.Array(Preset), body.items)).toEqual([])
  expect(body.items[0]!.estimates).toContainEqual({ dataset: 'mnist', seconds: null, basis: 'not measured on this machine yet' })
})

test('a path that does not exist and a method that is not served are problems', async () => {
  expect(await server.get('/v1/nothing')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
  const answer = await server.request('PATCH', `/v1/runs/${unknownRun}`)
  expect(answer).toMatchObject({ status: 405, body: { code: 'METHOD_NOT_ALLOWED' } })
  expect(answer.headers.get('allow')).toContain('DELETE')
})
