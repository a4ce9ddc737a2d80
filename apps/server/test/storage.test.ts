import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeDataDir, smallRun, TestServer, until } from './support/test-server.ts'

let server: TestServer
afterEach(() => server.close())

describe('when the disk is full', () => {
  beforeEach(async () => void (server = await TestServer.start()))

  /** Forbids the database to grow, or allows it again. */
  const limitPages = (pages: number) => server.app.database.write(({ db }) => db.$queryRawUnsafe(`PRAGMA max_page_count = ${pages}`))

  test('training waits, the server answers, and the run goes on when there is room', async () => {
    const { id } = await server.createRun(smallRun({ eta: 5, train_limit: 6400 }))
    await server.reaches(id, 'running')
    await limitPages(1)
    await until(() => server.app.trainers.slots().every(({ state }) => state !== 'busy'), 'the trainers have stopped')
    expect((await server.get(`/v1/runs/${id}`)).status).toBe(200)
    expect((await server.get('/readyz')).status).toBe(200)
    const big = { ...smallRun(), name: 'x'.repeat(120) }
    const statuses = new Set<number>()
    // what still fits into the last page is stored; what does not is refused in words
    for (let i = 0; i < 30; i++) statuses.add((await server.request('POST', '/v1/runs', big)).status)
    expect([...statuses].filter((status) => status !== 201)).toEqual([507])

    await limitPages(1_000_000)
    const run = await server.ended(id)
    expect(run.status).toBe('succeeded')
    const events = await server.events(id)
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: run.last_seq }, (_, i) => i + 1))
    expect(events.some((event) => event.type === 'log' && event.message.startsWith('the disk was full'))).toBe(true)
    expect(events.filter(({ type }) => type === 'block_metrics')).toHaveLength(600)
  })
})

describe('at the start', () => {
  test('files that belong to nothing are removed, and those of runs stay', async () => {
    const dataDir = await makeDataDir()
    const first = await TestServer.start({ dataDir })
    const { id } = await first.ended((await first.createRun(smallRun())).id)
    const runsDir = join(dataDir, 'runs')
    const kept = (
      await until(async () => {
        const files = await readdir(join(runsDir, id))
        return files.length === 3 && files
      }, 'pruning is done')
    ).sort()
    await first.stop()

    await writeFile(join(runsDir, id, 'ckpt_00000000000000000000000000.safetensors'), 'left behind')
    await writeFile(join(runsDir, id, `${kept[0]}.123.tmp`), 'left behind')
    for (const folder of ['run_00000000000000000000000000', 'deleted-0a1b2c3d-0000-4000-8000-000000000000']) {
      await mkdir(join(runsDir, folder))
      await writeFile(join(runsDir, folder, kept[0]!), 'left behind')
    }
    server = await TestServer.start({ dataDir })
    expect(await readdir(runsDir)).toEqual([id])
    expect((await readdir(join(runsDir, id))).sort()).toEqual(kept)
  })

  test('files and folders that this server did not make stay, wherever they are', async () => {
    const dataDir = await makeDataDir()
    const first = await TestServer.start({ dataDir })
    const { id } = await first.ended((await first.createRun(smallRun())).id)
    await first.stop()

    const deletedRun = 'run_00000000000000000000000000'
    const foreign = [
      'experiment-1/events.out.tfevents',
      'notes.txt',
      `${id}/notes.txt`,
      `${deletedRun}/notes.txt`,
      'deleted-1234/notes.txt',
    ]
    for (const file of foreign) {
      await mkdir(dirname(join(dataDir, 'runs', file)), { recursive: true })
      await writeFile(join(dataDir, 'runs', file), 'mine')
    }
    const orphan = join(dataDir, 'runs', deletedRun, 'ckpt_00000000000000000000000000.safetensors')
    await writeFile(orphan, 'left behind')
    server = await TestServer.start({ dataDir })
    for (const file of foreign) expect(await readFile(join(dataDir, 'runs', file), 'utf8')).toBe('mine')
    await expect(readFile(orphan)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('with a database that is new, checkpoints of an earlier one stay', async () => {
    const dataDir = await makeDataDir()
    const folder = join(dataDir, 'runs/run_00000000000000000000000000')
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'ckpt_00000000000000000000000000.safetensors'), 'weights')
    server = await TestServer.start({ dataDir })
    expect(await readdir(folder)).toHaveLength(1)
  })
})

describe('when the folder of a run cannot be made', () => {
  let runsDir: string
  beforeEach(async () => {
    server = await TestServer.start()
    runsDir = join(server.dataDir, 'runs')
    await writeFile(runsDir, 'in the way')
  })

  test('the run fails after a few tries, and so does the next one', async () => {
    const ids = [(await server.createRun(smallRun())).id, (await server.createRun(smallRun())).id]
    for (const id of ids) {
      expect(await server.ended(id, 5)).toMatchObject({ status: 'failed', failure: { kind: 'infrastructure', code: 'STORAGE_FAILED' } })
      const retries = (await server.events(id)).filter(
        (event) => event.type === 'log' && event.message.endsWith('going on from the newest checkpoints'),
      )
      expect(retries).toHaveLength(2)
    }
  })

  test('it can be canceled, and the next one runs as soon as that is mended', async () => {
    const first = await server.createRun(smallRun())
    const second = await server.createRun(smallRun())
    await server.reaches(first.id, 'starting')
    await server.request('POST', `/v1/runs/${first.id}/cancel`)
    await rm(runsDir)
    expect((await server.ended(first.id, 5)).status).toBe('canceled')
    expect((await server.ended(second.id)).status).toBe('succeeded')
  })
})

describe('when no trainer can be started', () => {
  test('because its program is missing, the run fails with that reason after a few tries, and the server goes on', async () => {
    server = await TestServer.start({ trainerEntry: '/nowhere/trainer.js' })
    const run = await server.ended((await server.createRun(smallRun())).id)
    expect(run).toMatchObject({ status: 'failed', failure: { kind: 'infrastructure', code: 'TRAINER_START_FAILED' } })
    expect(run.failure!.message).toContain('Cannot find module')
    const slots = await until(() => {
      const now = server.app.trainers.slots()
      return now.every(({ state }) => state === 'stopped') && now
    }, 'every start has failed')
    expect(slots.reduce((sum, { restarts }) => sum + restarts, 0)).toBeLessThanOrEqual(8)
    // no more attempts while there is nothing to do
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(server.app.trainers.slots()).toEqual(slots)
    expect((await server.get('/readyz')).status).toBe(200)
  })

  test('because it crashes at once, the reason is what it said', async () => {
    const dataDir = await makeDataDir()
    const entry = join(dataDir, 'crash.mjs')
    await writeFile(entry, "throw new TypeError('no such device')")
    server = await TestServer.start({ dataDir, trainerEntry: entry })
    const run = await server.ended((await server.createRun(smallRun())).id)
    expect(run.failure!.message).toContain('TypeError: no such device')
  })
})

describe('the dashboard', () => {
  const html = { accept: 'text/html,application/xhtml+xml' }
  let folder: string
  beforeEach(async () => {
    folder = await makeDataDir()
    await mkdir(join(folder, 'assets'))
    await writeFile(join(folder, 'index.html'), '<title>dashboard</title>')
    await writeFile(join(folder, 'assets/app-12ab.js'), 'run()')
    server = await TestServer.start({ dashboardDir: folder, apiToken: 'a-secret-of-20-chars' })
  })
  afterEach(() => rm(folder, { recursive: true }))

  test.for(['/', '/index.html', '/runs/run_123', '/system'])(
    'is what a browser gets at %s, without a token, and asks for again each time',
    async (path) => {
      const answer = await server.request('GET', path, undefined, html)
      expect(answer).toMatchObject({ status: 200, body: '<title>dashboard</title>' })
      expect(answer.headers.get('cache-control')).toBe('no-cache')
      expect(answer.headers.get('content-type')).toMatch(/^text\/html/)
    },
  )

  test('has assets that are kept for ever, since their names change with them', async () => {
    const answer = await server.request('GET', '/assets/app-12ab.js', undefined, { accept: '*/*' })
    expect(answer).toMatchObject({ status: 200, body: 'run()' })
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
  })

  test('that is built anew while the server runs is served with its new assets', async () => {
    await rm(join(folder, 'assets'), { recursive: true })
    await mkdir(join(folder, 'assets'))
    await writeFile(join(folder, 'assets/app-34cd.js'), 'runBetter()')
    await writeFile(join(folder, 'index.html'), '<title>new</title>')
    expect(await server.request('GET', '/runs', undefined, html)).toMatchObject({ status: 200, body: '<title>new</title>' })
    const answer = await server.request('GET', '/assets/app-34cd.js', undefined, { accept: '*/*' })
    expect(answer).toMatchObject({ status: 200, body: 'runBetter()' })
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect((await server.request('GET', '/assets/app-12ab.js', undefined, html)).status).toBe(404)
  })

  test.for([
    ['/assets/app-gone.js', '*/*', 404],
    ['/assets/app-gone.js', 'text/html', 404],
    ['/assets/', '*/*', 404],
    ['/assets//app-12ab.js', '*/*', 404],
    ['/v1/nothing', 'text/html', 401],
    ['/runs/run_123', 'application/json', 404],
    ['/../package.json', 'text/html', 200],
    ['/%2e%2e/package.json', '*/*', 404],
    ['/..%2fpackage.json', '*/*', 404],
    ['/assets/..%2f..%2fpackage.json', '*/*', 404],
  ] as const)('is not what %s (%s) gets: %i', async ([path, accept, status]) => {
    const answer = await server.request<unknown>('GET', path, undefined, { accept })
    expect(answer.status).toBe(status)
    expect(JSON.stringify(answer.body)).not.toContain('workspaces')
  })
})
