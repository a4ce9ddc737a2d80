import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Checkpoint, Evaluation, MetricSeriesList, Page, Run, RunEvent } from '@noprop/contract'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeDataDir, misbehaviour, smallRun, TestServer, until } from './support/test-server.ts'

let server: TestServer
beforeAll(async () => void (server = await TestServer.start()))
afterAll(() => server.close())

/** The final weights, by block. */
async function finalStates(run: Run, of = server): Promise<Record<number, string>> {
  const { body } = await of.get<Page<Checkpoint>>(`/v1/runs/${run.id}/checkpoints`)
  const last = body.items.filter(({ epoch }) => epoch === run.config.epochs)
  const states = await Promise.all(
    last.map(async ({ id, block }) => {
      const file = JSON.parse(await readFile(join(of.dataDir, 'runs', run.id, `${id}.safetensors`), 'utf8')) as {
        state: string
        shared?: string
      }
      return [block, file.state + (file.shared ?? '')] as const
    }),
  )
  return Object.fromEntries(states)
}

function expectWholeHistory(events: { seq: number; type: string }[], lastSeq: number) {
  expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: lastSeq }, (_, i) => i + 1))
  const steps = events
    .filter(({ type }) => type === 'block_metrics')
    .map((event) => {
      const { block, step } = event as unknown as { block: number; step: number }
      return `${block}/${step}`
    })
  expect(new Set(steps).size).toBe(steps.length)
}

describe('a run that nothing disturbs', () => {
  let run: Run
  beforeAll(async () => {
    const created = await server.createRun(smallRun({ epochs: 3, validation_size: 100 }))
    run = await server.ended(created.id)
  })

  test('goes from queued through starting and running to succeeded', async () => {
    expect(run).toMatchObject({ status: 'succeeded', failure: null })
    expect(await server.statuses(run.id)).toEqual(['queued', 'starting', 'running', 'succeeded'])
  })

  test('ends with everything that is needed to repeat it', () => {
    expect(run.provenance).toMatchObject({ seed: 1, device: 'scripted', versions: { scripted: '1.0.0', node: process.versions.node } })
    expect(run.provenance.data_sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(run.parameters).toEqual({ total: 25, per_block: 10, shared: 5 })
    expect(run.started_at! <= run.finished_at!).toBe(true)
  })

  test('has trained every block and the head for every epoch', () => {
    expect(run.blocks).toEqual([0, 1, 2].map((block) => ({ block, epoch: 3, step: 30, trainer: null })))
    expect(run.progress).toMatchObject({ epoch: 3, epochs: 3, step: 60, steps: 60, fraction: 1, eta_seconds: 0 })
  })

  test('tells its history without gap or duplicate, and ends it with its end', async () => {
    const events = await server.events(run.id)
    expectWholeHistory(events, run.last_seq)
    expect(events.at(-1)).toMatchObject({ type: 'status', status: 'succeeded' })
    expect(events.filter(({ type }) => type === 'block_metrics')).toHaveLength(90)
    expect(events.filter(({ type }) => type === 'checkpoint_saved')).toHaveLength(9)
  })

  test('is evaluated on the validation split every epoch and on the test split at the end', async () => {
    const { body } = await server.get<Page<Evaluation>>(`/v1/runs/${run.id}/evaluations`)
    const done = body.items.map(({ epoch, split, examples }) => `${epoch} ${split} ${examples}`).sort()
    expect(done).toEqual(['1 validation 100', '2 validation 100', '3 test 5000', '3 validation 100'])
  })

  test('carries the metrics of its newest evaluations', async () => {
    const { body } = await server.get<Page<Evaluation>>(`/v1/runs/${run.id}/evaluations`)
    const final = body.items.find(({ split }) => split === 'test')!
    expect(run.metrics).toMatchObject({
      test_accuracy: final.accuracy,
      test_accuracy_noisy: final.noisy.head,
      test_accuracy_noise_free_head: final.noise_free.head,
      test_loss: 0.5,
    })
    expect(run.metrics).toHaveProperty('validation_accuracy')
    expect(final.confusion_matrix[0]![0]).toBe(5000)
  })

  test('carries the mean of the last losses of its blocks, however short it was', async () => {
    const losses = new Map<number, number>()
    for (const event of await server.events(run.id))
      if (event.type === 'block_metrics' && event.block > 0) losses.set(event.block, event.values['denoising_loss']!)
    expect([...losses.keys()].sort()).toEqual([1, 2])
    expect(run.metrics['train_loss']).toBeCloseTo((losses.get(1)! + losses.get(2)!) / 2, 12)
  })

  test('keeps of each block only the checkpoint of the last epoch, and no other file', async () => {
    const { body } = await server.get<Page<Checkpoint>>(`/v1/runs/${run.id}/checkpoints`)
    expect(body.items.map(({ block, epoch }) => [block, epoch]).sort()).toEqual([
      [0, 3],
      [1, 3],
      [2, 3],
    ])
    const files = await until(async () => {
      const names = await readdir(join(server.dataDir, 'runs', run.id))
      return names.length === 3 && names
    }, 'the other files are gone')
    expect(files.sort()).toEqual(body.items.map(({ id }) => `${id}.safetensors`).sort())
  })

  test('has one metric series for each quantity and block', async () => {
    const { body } = await server.get<MetricSeriesList>(`/v1/runs/${run.id}/metrics`)
    expect(body.items.map(({ name, block, total_points }) => [name, block, total_points])).toEqual([
      ['accuracy', 0, 30],
      ['accuracy', 1, 30],
      ['accuracy', 2, 30],
      ['denoising_loss', 0, 30],
      ['denoising_loss', 1, 30],
      ['denoising_loss', 2, 30],
    ])
  })

  test('has begun with the head and the first block, and each of them one epoch after the other', async () => {
    const begun = (await server.events(run.id)).flatMap((event) => (event.type === 'block_started' ? [event] : []))
    expect(
      begun
        .slice(0, 2)
        .map(({ block }) => block)
        .sort(),
    ).toEqual([0, 1])
    for (const unit of [0, 1, 2]) expect(begun.filter(({ block }) => block === unit).map(({ epoch }) => epoch)).toEqual([1, 2, 3])
  })
})

describe('trainers that fail', () => {
  test('a killed trainer is replaced, and the run ends with the same weights as an undisturbed one', async () => {
    const config = { epochs: 2, eta: 15, blocks: 2 }
    const { id } = await server.createRun(smallRun(config))
    const victim = await until(async () => {
      const slot = server.app.trainers.slots().find(({ activity, run_id }) => run_id === id && activity === 'block 2, epoch 2')
      return slot && (await server.run(id)).blocks[2]!.step > 12 && slot
    }, 'block 2 is in the middle of epoch 2')
    process.kill(victim.pid!, 'SIGKILL')

    const run = await server.ended(id)
    expect(run.status).toBe('succeeded')
    expect(await server.statuses(id)).toEqual(['queued', 'starting', 'running', 'interrupted', 'running', 'succeeded'])
    const events = await server.events(id)
    expectWholeHistory(events, run.last_seq)
    expect(events.some((event) => event.type === 'log' && /trainer \d was lost: it was ended by SIGKILL/.test(event.message))).toBe(true)

    const undisturbed = await server.ended((await server.createRun(smallRun({ ...config, eta: 0.1 }))).id)
    const states = await finalStates(run)
    expect(Object.keys(states)).toHaveLength(3)
    expect(states).toEqual(await finalStates(undisturbed))
  })

  test('a trainer that falls silent is killed and its task repeated', async () => {
    const run = await server.ended((await server.createRun(smallRun({ seed: misbehaviour.fallsSilent }))).id)
    expect(run.status).toBe('succeeded')
    const log = (await server.events(run.id)).flatMap((event) => (event.type === 'log' ? [event.message] : []))
    expect(log.join()).toMatch(/was lost: it was silent for 1.5 s/)
  })

  test('a trainer that sends what is not of the contract is replaced', async () => {
    const run = await server.ended((await server.createRun(smallRun({ seed: misbehaviour.talksNonsense }))).id)
    expect(run.status).toBe('succeeded')
    expect(await server.statuses(run.id)).toContain('interrupted')
  })

  test('a task that fails once is repeated', async () => {
    const run = await server.ended((await server.createRun(smallRun({ seed: misbehaviour.failsOnce }))).id)
    expect(run.status).toBe('succeeded')
    expectWholeHistory(await server.events(run.id), run.last_seq)
  })

  test.for([
    ['failsAlways', 'infrastructure', 'TRAINER_ERROR'],
    ['diesAlways', 'infrastructure', 'TRAINER_LOST'],
    ['liesAboutCheckpoint', 'infrastructure', 'BAD_RESULT'],
    ['wrongUnits', 'infrastructure', 'BAD_RESULT'],
  ] as const)('a task that gets nowhere in three attempts ends the run: %s', async ([name, kind, code]) => {
    const run = await server.ended((await server.createRun(smallRun({ seed: misbehaviour[name] }))).id)
    expect(run).toMatchObject({ status: 'failed', failure: { kind, code } })
    const attempts = (await server.statuses(run.id)).filter((status) => status === 'interrupted')
    expect(attempts.length).toBeLessThanOrEqual(2 * 3)
    expectWholeHistory(await server.events(run.id), run.last_seq)
  })

  test.for([
    ['diverges', 'user', 'DIVERGED'],
    ['diskFull', 'resource', 'ENOSPC'],
    ['badDataset', 'resource', 'DATASET_UNAVAILABLE'],
  ] as const)('a failure that no repetition mends ends the run at once: %s', async ([name, kind, code]) => {
    const run = await server.ended((await server.createRun(smallRun({ seed: misbehaviour[name], eta: 5 }))).id)
    expect(run).toMatchObject({ status: 'failed', failure: { kind, code } })
    expect(run.status_reason).toBe(run.failure!.message)
    expect(await server.statuses(run.id)).not.toContain('interrupted')
    expect(run.blocks.every(({ trainer }) => trainer === null)).toBe(true)
  })

  test('after a failed run the next one is served', async () => {
    const failing = await server.createRun(smallRun({ seed: misbehaviour.diverges, eta: 20 }))
    const next = await server.createRun(smallRun())
    expect((await server.ended(failing.id)).status).toBe('failed')
    expect((await server.ended(next.id)).status).toBe('succeeded')
  })
})

describe('units that share weights', () => {
  const coupled = { embedding: 'learned', blocks: 3, epochs: 2 } as const
  const turns = (events: RunEvent[]) =>
    events.flatMap((event) => (event.type === 'block_started' && event.step % 10 === 0 ? [`${event.block}/${event.epoch}`] : []))
  const inOrder = ['1/1', '2/1', '3/1', '1/2', '2/2', '3/2']

  test('take turns, epoch by epoch, and are evaluated after each', async () => {
    const run = await server.ended((await server.createRun(smallRun(coupled))).id)
    expect(run.status).toBe('succeeded')
    const events = await server.events(run.id)
    expect(turns(events)).toEqual(inOrder)
    expect(run.blocks).toEqual([1, 2, 3].map((block) => ({ block, epoch: 2, step: 20, trainer: null })))
    expect(run.progress).toMatchObject({ step: 60, steps: 60, fraction: 1 })
    const evaluated = events.flatMap((event) => (event.type === 'evaluation_completed' ? [[event.epoch, event.chain_steps]] : []))
    expect(evaluated).toEqual([1, 2].map((epoch) => [epoch, [1, 2, 3]]))
  })

  test('never train two at a time, however many trainers there are', async () => {
    const { id } = await server.createRun(smallRun({ ...coupled, eta: 10 }))
    let most = 0
    await until(async () => {
      const training = server.app.trainers.slots().filter(({ activity }) => activity?.startsWith('block'))
      most = Math.max(most, training.length)
      return (await server.run(id)).status === 'succeeded'
    }, 'the run has ended')
    expect(most).toBe(1)
  })

  test('hand over the same weights when a trainer is killed in the middle of a turn', async () => {
    const undisturbed = await server.ended((await server.createRun(smallRun(coupled))).id)
    const { id } = await server.createRun(smallRun({ ...coupled, eta: 15 }))
    const victim = await until(async () => {
      const slot = server.app.trainers.slots().find(({ activity, run_id }) => run_id === id && activity === 'block 2, epoch 2')
      return slot && (await server.run(id)).blocks[1]!.step > 12 && slot
    }, 'block 2 is in the middle of epoch 2')
    process.kill(victim.pid!, 'SIGKILL')
    const run = await server.ended(id)
    expect(run.status).toBe('succeeded')
    expect(await server.statuses(id)).toContain('interrupted')
    expect(await finalStates(run)).toEqual(await finalStates(undisturbed))
    expectWholeHistory(await server.events(id), run.last_seq)
  })

  test('go on from a checkpoint in the middle of a turn, which holds the shared weights as they are by then', async () => {
    const undisturbed = await server.ended((await server.createRun(smallRun(coupled))).id)
    const dataDir = await makeDataDir()
    const first = await TestServer.start({ dataDir })
    const { id } = await first.createRun(smallRun({ ...coupled, eta: 30 }))
    await until(async () => ((await first.run(id)).blocks[1]?.step ?? 0) > 13, 'block 2 is in the middle of epoch 2')
    await first.stop()
    const second = await TestServer.start({ dataDir })
    try {
      const run = await second.ended(id)
      expect(run.status).toBe('succeeded')
      const resumed = (await second.events(id)).flatMap((event) => (event.type === 'block_started' ? [[event.block, event.step]] : []))
      expect(resumed.some(([block, step]) => block === 2 && step! > 10 && step! < 20)).toBe(true)
      expect(await finalStates(run, second)).toEqual(await finalStates(undisturbed))
    } finally {
      await second.close()
    }
  })

  test('begin with the prototypes that were chosen when the data was prepared', async () => {
    const run = await server.ended((await server.createRun(smallRun({ ...coupled, embedding: 'prototype' }))).id)
    expect(run).toMatchObject({ status: 'succeeded', failure: null })
  })
})

describe('a network whose parts are trained together', () => {
  test('is one unit, and is evaluated after the steps that it reports', async () => {
    const run = await server.ended((await server.createRun(smallRun({ method: 'noprop-ct', inference_steps: 30, epochs: 2 }))).id)
    expect(run).toMatchObject({ status: 'succeeded', blocks: [{ block: 1, epoch: 2, step: 20 }], progress: { step: 20, steps: 20 } })
    const { body } = await server.get<Page<Evaluation>>(`/v1/runs/${run.id}/evaluations`)
    expect(body.items.map(({ chain_steps, noisy }) => [chain_steps, noisy.after_step.length])).toEqual([
      [[15, 30], 2],
      [[15, 30], 2],
    ])
  })
})

describe('the queue', () => {
  test('a second run waits, says for what, and starts when the first has ended', async () => {
    const first = await server.createRun(smallRun({ eta: 20 }))
    const second = await server.createRun(smallRun())
    const third = await server.createRun(smallRun())
    expect(second).toMatchObject({ status: 'queued', status_reason: `waiting for ${first.id} (both trainers are busy with it)` })
    expect(third.status_reason).toBe(`waiting for ${first.id} (both trainers are busy with it) and for 1 more in the queue`)
    const runs = await Promise.all([first, second, third].map(({ id }) => server.ended(id)))
    expect(runs.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded'])
    expect(runs[0]!.finished_at! <= runs[1]!.started_at!).toBe(true)
    expect(runs[1]!.finished_at! <= runs[2]!.started_at!).toBe(true)
    expect(runs[1]!.status_reason).toBeNull()
  })

  test('two blocks train in two processes at the same time', async () => {
    const { id } = await server.createRun(smallRun({ eta: 10 }))
    const busy = await until(() => {
      const slots = server.app.trainers.slots().filter(({ activity }) => activity?.includes('epoch 1'))
      return slots.length === 2 && slots
    }, 'both trainers train')
    expect(busy[0]!.pid).not.toBe(busy[1]!.pid)
    await server.ended(id)
  })

  test('idle trainers are sent home after a while, and come back', async () => {
    await server.ended((await server.createRun(smallRun())).id)
    await until(() => server.app.trainers.slots().every(({ state, pid }) => state === 'stopped' && pid === null), 'all trainers have ended')
    expect((await server.ended((await server.createRun(smallRun())).id)).status).toBe('succeeded')
  })
})

describe('cancel', () => {
  test('a queued run is canceled at once and never starts', async () => {
    const first = await server.createRun(smallRun({ eta: 10 }))
    const second = await server.createRun(smallRun())
    const { status, body } = await server.request<Run>('POST', `/v1/runs/${second.id}/cancel`)
    expect([status, body.status]).toEqual([202, 'canceled'])
    await server.ended(first.id)
    expect(await server.run(second.id)).toMatchObject({ status: 'canceled', started_at: null })
  })

  test('a running run stops within two seconds and keeps the checkpoints of what it has learned', async () => {
    const { id } = await server.createRun(smallRun({ eta: 50, epochs: 100 }))
    await until(async () => (await server.run(id)).blocks.some(({ step }) => step > 3), 'it has trained a little')
    const askedAt = Date.now()
    expect((await server.request<Run>('POST', `/v1/runs/${id}/cancel`)).body.status).toBe('canceling')
    const run = await server.ended(id)
    expect(run).toMatchObject({ status: 'canceled', failure: null })
    expect(Date.now() - askedAt).toBeLessThan(2000)
    const { body } = await server.get<Page<Checkpoint>>(`/v1/runs/${id}/checkpoints`)
    expect(body.items.some(({ step }) => step % 10 !== 0)).toBe(true)
    expect(await server.statuses(id)).toEqual(['queued', 'starting', 'running', 'canceling', 'canceled'])
  })

  test('a trainer that ignores the stop is killed', async () => {
    const { id } = await server.createRun(smallRun({ eta: 50, train_limit: 6400, seed: misbehaviour.ignoresStop }))
    await until(async () => (await server.run(id)).blocks.some(({ step }) => step > 1), 'it trains')
    const askedAt = Date.now()
    await server.request('POST', `/v1/runs/${id}/cancel`)
    expect((await server.ended(id)).status).toBe('canceled')
    expect(Date.now() - askedAt).toBeGreaterThan(500)
    expect(Date.now() - askedAt).toBeLessThan(2000)
  })

  test('canceling twice is no error; canceling what has succeeded is', async () => {
    const { id } = await server.createRun(smallRun({ eta: 50, epochs: 100 }))
    await server.request('POST', `/v1/runs/${id}/cancel`)
    expect((await server.request('POST', `/v1/runs/${id}/cancel`)).status).toBe(202)
    await server.ended(id)
    expect((await server.request('POST', `/v1/runs/${id}/cancel`)).status).toBe(202)
    const done = await server.ended((await server.createRun(smallRun())).id)
    expect(await server.request('POST', `/v1/runs/${done.id}/cancel`)).toMatchObject({ status: 409, body: { code: 'RUN_ALREADY_FINAL' } })
  })
})
