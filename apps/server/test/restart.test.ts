import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Checkpoint, MetricSeriesList, Page, Run, RunEvent } from '@noprop/contract'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeDataDir, smallRun, TestServer, until } from './support/test-server.ts'
import { runMain, ServerProcess } from './support/server-process.ts'

let dataDir: string
beforeEach(async () => void (dataDir = await makeDataDir()))
afterEach(() => rm(dataDir, { recursive: true, force: true }))

const events = async (server: ServerProcess, id: string) => (await server.get<Page<RunEvent>>(`/v1/runs/${id}/events?page_size=1000`)).items

/** Starts a run and waits until it is in the middle of its second epoch. */
async function startRun(server: ServerProcess, eta = 30): Promise<string> {
  const { id } = await server.post<Run>('/v1/runs', smallRun({ eta, epochs: 2 }))
  await until(async () => (await server.get<Run>(`/v1/runs/${id}`)).blocks.some(({ step }) => step > 13), 'a block is in epoch 2')
  return id
}

async function metrics(url: string, id: string) {
  const { items } = (await (await fetch(`${url}/v1/runs/${id}/metrics`)).json()) as MetricSeriesList
  return items
}

describe('a server that is killed', () => {
  test('goes on with its run at the next start; no event is lost or doubled, and the result is that of an undisturbed run', async () => {
    const first = await ServerProcess.start(dataDir)
    const id = await startRun(first)
    const before = await events(first, id)
    await first.end('SIGKILL')

    const second = await ServerProcess.start(dataDir)
    try {
      const run = await second.get<Run>(`/v1/runs/${id}?wait_seconds=20`)
      expect(run.status).toBe('succeeded')
      const after = await events(second, id)
      expect(after.slice(0, before.length)).toEqual(before)
      expect(after.map(({ seq }) => seq)).toEqual(Array.from({ length: run.last_seq }, (_, i) => i + 1))
      const steps = after.flatMap((event) => (event.type === 'block_metrics' ? [`${event.block}/${event.step}`] : []))
      expect(new Set(steps).size).toBe(60)
      expect(steps).toHaveLength(60)
      expect(after.flatMap((event) => (event.type === 'status' ? [event.status] : []))).toEqual([
        'queued',
        'starting',
        'running',
        'interrupted',
        'running',
        'succeeded',
      ])

      const undisturbed = await second.post<Run>('/v1/runs', smallRun({ eta: 0.1, epochs: 2 }))
      const { metrics: expected } = await second.get<Run>(`/v1/runs/${undisturbed.id}?wait_seconds=20`)
      expect(run.metrics.test_accuracy).toBe(expected.test_accuracy)
      expect(await metrics(second.url, id)).toEqual(await metrics(second.url, undisturbed.id))
    } finally {
      await second.end('SIGTERM')
    }
  })
})

describe('a server that is told to end', () => {
  test('ends with 0 within five seconds, with checkpoints of unfinished epochs, and goes on from them', async () => {
    const first = await ServerProcess.start(dataDir)
    const id = await startRun(first, 60)
    const askedAt = Date.now()
    expect(await first.end('SIGTERM')).toBe(0)
    expect(Date.now() - askedAt).toBeLessThan(5000)

    const second = await ServerProcess.start(dataDir)
    try {
      const { items } = await second.get<Page<Checkpoint>>(`/v1/runs/${id}/checkpoints`)
      expect(items.some(({ step }) => step % 10 !== 0)).toBe(true)
      const run = await second.get<Run>(`/v1/runs/${id}?wait_seconds=20`)
      expect(run.status).toBe('succeeded')
      const history = await events(second, id)
      const reasons = history.flatMap((event) => (event.type === 'status' && event.status === 'interrupted' ? [event.reason] : []))
      expect(reasons).toEqual(['the server was stopped; the run goes on when it starts again'])
      expect(history.some((event) => event.type === 'block_started' && event.step % 10 !== 0)).toBe(true)
    } finally {
      await second.end('SIGINT')
    }
  })

  test('answers open long polls and streams before it ends', async () => {
    const server = await ServerProcess.start(dataDir)
    const id = await startRun(server, 60)
    const poll = server.get<Run>(`/v1/runs/${id}?wait_seconds=60`)
    // its headers are here, so the poll that was sent before it has arrived as well
    const stream = await fetch(`${server.url}/v1/runs/${id}/events`)
    expect(await server.end('SIGTERM')).toBe(0)
    expect((await poll).id).toBe(id)
    expect(await stream.text()).toContain('event: block_metrics')
  })
})

describe('a server that cannot start', () => {
  test.for([
    [{ PORT: 'eighty' }, 78, 'PORT=eighty is not usable. Set it to a whole number from 0 to 65535.'],
    [{ HOST: '0.0.0.0' }, 78, 'Set NOPROP_API_TOKEN'],
    [{ NOPROP_DATA_DIR: `${fileURLToPath(import.meta.url)}/data` }, 1, 'Set NOPROP_DATA_DIR'],
    [{ NOPROP_DATA_DIR: '/proc/nothing/data' }, 1, 'Set NOPROP_DATA_DIR'],
  ] as const)('says how to mend it: %o', async ([env, code, sentence]) => {
    const result = await runMain({ NOPROP_DATA_DIR: dataDir, ...env })
    expect(result.code).toBe(code)
    expect(result.output).toContain(sentence)
    expect(result.output).not.toMatch(/^\s+at /m)
  })

  test('because another one has the data folder, refuses it', async () => {
    const server = await TestServer.start({ dataDir })
    try {
      const result = await runMain({ NOPROP_DATA_DIR: dataDir, PORT: '0' })
      expect(result.code).toBe(1)
      expect(result.output).toContain(`Another NoProp Studio server is using ${dataDir}`)
      expect((await server.get('/readyz')).status).toBe(200)
    } finally {
      await server.stop()
    }
  })

  test('because its port is taken, says so', async () => {
    const server = await TestServer.start()
    try {
      const result = await runMain({ NOPROP_DATA_DIR: dataDir, PORT: new URL(server.url).port })
      expect(result).toMatchObject({ code: 1, output: expect.stringContaining('is in use. Set PORT to another one') as string })
    } finally {
      await server.close()
    }
  })
})
