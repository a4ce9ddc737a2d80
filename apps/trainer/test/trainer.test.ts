import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { EvaluateTask, PrepareResult, RunConfig, TrainResult, TrainTask } from '@noprop/contract'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { taskBase, temporaryFolder, tinyConfig, TrainerProcess, trainTask } from './trainer-process.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
const trainers: TrainerProcess[] = []

function startTrainer() {
  const trainer = new TrainerProcess()
  trainers.push(trainer)
  return trainer
}

async function train(trainer: TrainerProcess, task: TrainTask): Promise<TrainResult['checkpoint']> {
  const answer = await trainer.run(task)
  if (answer.type !== 'task_done' || answer.result.kind !== 'train') throw new Error(`the task ended as ${JSON.stringify(answer)}`)
  return answer.result.checkpoint
}

async function prepare(trainer: TrainerProcess, config: RunConfig): Promise<PrepareResult> {
  const answer = await trainer.run({ kind: 'prepare', ...taskBase(config) })
  if (answer.type !== 'task_done' || answer.result.kind !== 'prepare') throw new Error(`the task ended as ${JSON.stringify(answer)}`)
  return answer.result
}

beforeAll(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  for (const trainer of trainers.splice(0)) await trainer.end()
})
afterAll(() => folder.remove())

describe('a trainer', () => {
  it('prepares a run: counts examples, steps and parameters', async () => {
    const answer = await startTrainer().run({ kind: 'prepare', ...taskBase() })
    expect(answer.type).toBe('task_done')
    const result = (answer as { result: PrepareResult }).result
    expect(result).toMatchObject({ train_examples: 1600, validation_examples: 200, test_examples: 300, steps_per_epoch: 50 })
    expect(result.units).toEqual([0, 1, 2])
    expect(result.steps_per_epoch_shared).toBe(100)
    expect(result.parameters.total).toBe(2 * result.parameters.per_block + result.parameters.shared)
    expect(result.data_sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(result).toMatchObject({ in_turn: false, chain_steps: [1, 2], prototypes: null })
  }, 60_000)

  it('says of a run what it trains, in which order, and what its labels begin with', async () => {
    const trainer = startTrainer()
    const learned = await prepare(trainer, { ...tinyConfig, embedding: 'learned' })
    expect(learned).toMatchObject({ units: [1, 2], in_turn: true, prototypes: null, steps_per_epoch: 50, steps_per_epoch_shared: 0 })
    expect(learned.parameters.total).toBe(2 * learned.parameters.per_block + learned.parameters.shared)

    const prototype = await prepare(trainer, { ...tinyConfig, embedding: 'prototype' })
    expect(prototype).toMatchObject({ units: [1, 2], in_turn: true })
    expect(new Set(prototype.prototypes).size).toBe(10)

    const continuous = await prepare(trainer, { ...tinyConfig, method: 'noprop-ct', inference_steps: 40 })
    expect(continuous).toMatchObject({ units: [1], in_turn: false, steps_per_epoch: 50 })
    expect(continuous.chain_steps.at(-1)).toBe(40)
  }, 60_000)

  it('fails a run whose network cannot be, as the fault of its user', async () => {
    const config: RunConfig = { ...tinyConfig, embedding: 'learned', embedding_init: 'prototype' }
    const answer = await startTrainer().run({ kind: 'prepare', ...taskBase(config) })
    expect(answer).toMatchObject({ type: 'task_failed', failure: { kind: 'user', code: 'MODEL_CONFIG' } })
  })

  it('fails a run that leaves less than one batch, as the fault of its user', async () => {
    const config = { ...tinyConfig, train_limit: 20 }
    const answer = await startTrainer().run({ kind: 'prepare', ...taskBase(config) })
    expect(answer).toMatchObject({ type: 'task_failed', failure: { kind: 'user', code: 'TOO_FEW_EXAMPLES' } })
  })

  it('reports the start of a block and its metrics, with finite values', async () => {
    const trainer = startTrainer()
    const checkpoint = await train(trainer, trainTask(folder.path))
    expect(checkpoint).toMatchObject({ block: 1, epoch: 1, step: 50 })
    expect(trainer.events('block_started')).toMatchObject([{ block: 1, epoch: 1, step: 0, trainer: 1, pid: trainer.child.pid }])
    const metrics = trainer.events('block_metrics')
    expect(metrics.map((event) => 'step' in event && event.step)).toEqual([10, 20, 30, 40, 50])
    for (const event of metrics) {
      if (event.type !== 'block_metrics') continue
      for (const name of [
        'denoising_loss',
        'weighted_loss',
        'accuracy',
        'gradient_norm',
        'update_ratio',
        'step_seconds',
        'images_per_second',
      ]) {
        expect(event.values[name], name).toSatisfy(Number.isFinite)
      }
    }
  })

  it('gives the same bits in another process, and after other blocks', async () => {
    const alone = await train(startTrainer(), trainTask(folder.path, { block: 2 }))
    const second = startTrainer()
    await train(second, trainTask(folder.path, { block: 1 }))
    await train(second, trainTask(folder.path, { block: 0 }))
    expect((await train(second, trainTask(folder.path, { block: 2 }))).sha256).toBe(alone.sha256)
  })

  it('gives other bits for another seed or another block', async () => {
    const trainer = startTrainer()
    const hashes = [
      await train(trainer, trainTask(folder.path)),
      await train(trainer, trainTask(folder.path, { block: 2 })),
      await train(trainer, trainTask(folder.path, { config: { ...tinyConfig, seed: 8 } })),
    ].map((checkpoint) => checkpoint.sha256)
    expect(new Set(hashes).size).toBe(3)
  })

  it('continues an epoch from the checkpoint of a stopped task to the same bits', async () => {
    const config = { ...tinyConfig, train_limit: 8200, metrics_interval: 5 }
    const undisturbed = await train(startTrainer(), trainTask(folder.path, { config }))

    const trainer = startTrainer()
    const task = trainTask(folder.path, { config })
    const answer = trainer.run(task)
    await trainer.next((message) => message.type === 'events' && message.events.some((event) => event.type === 'block_metrics'))
    const askedAt = performance.now()
    trainer.send({ type: 'stop', task_id: task.task_id })
    const stopped = await answer
    expect(performance.now() - askedAt).toBeLessThan(1500)
    if (stopped.type !== 'task_stopped' || !stopped.checkpoint) throw new Error(`no checkpoint: ${JSON.stringify(stopped)}`)
    expect(stopped.checkpoint.step).toBeGreaterThan(0)
    expect(stopped.checkpoint.step).toBeLessThan(undisturbed.step)

    const resume_from = { path: task.checkpoint.path, sha256: stopped.checkpoint.sha256 }
    const resumed = await train(startTrainer(), trainTask(folder.path, { config, resume_from }))
    expect(resumed.step).toBe(undisturbed.step)
    expect(resumed.sha256).toBe(undisturbed.sha256)
  }, 60_000)

  it.each([
    { method: 'noprop-dt', embedding: 'learned', head: 'radial', ema_decay: 0.9, augmentation: 'crop' },
    { method: 'noprop-ct', embedding: 'one-hot' },
    { method: 'noprop-fm', embedding: 'prototype' },
    { method: 'backprop', embedding: 'learned', optimizer: 'adam' },
    { method: 'adjoint', embedding: 'learned', inference_steps: 4 },
    { method: 'forward-forward', embedding: 'one-hot' },
  ] as Partial<RunConfig>[])(
    'continues %o to the same bits, in another process',
    async (kind) => {
      const config = { ...tinyConfig, ...kind, noise_samples: 1, train_limit: 6400, metrics_interval: 5 }
      const [one, other] = [startTrainer(), startTrainer()]
      const { prototypes, units, in_turn } = await prepare(one, config)
      const block = units.find((unit) => unit > 0)!
      // of units that share weights, the last one, which goes on from what the first one hands over
      const last = in_turn ? units.at(-1)! : block
      const first = trainTask(folder.path, { config, prototypes, block })
      const shared_from = last === block ? null : { path: first.checkpoint.path, sha256: (await train(one, first)).sha256 }
      const fields = { config, prototypes, block: last, shared_from }
      const undisturbed = await train(one, trainTask(folder.path, fields))

      const task = trainTask(folder.path, fields)
      const answer = other.run(task)
      await other.next((message) => message.type === 'events' && message.events.some((event) => event.type === 'block_metrics'))
      other.send({ type: 'stop', task_id: task.task_id })
      const stopped = await answer
      if (stopped.type !== 'task_stopped' || !stopped.checkpoint) throw new Error(`no checkpoint: ${JSON.stringify(stopped)}`)
      expect(stopped.checkpoint.step).toBeLessThan(undisturbed.step)
      const resume_from = { path: task.checkpoint.path, sha256: stopped.checkpoint.sha256 }
      expect((await train(other, trainTask(folder.path, { ...fields, resume_from }))).sha256).toBe(undisturbed.sha256)
    },
    60_000,
  )

  it('gives a block the shared weights of the one before it, unless it has gone on with them already', async () => {
    const config: RunConfig = { ...tinyConfig, embedding: 'learned' }
    const trainer = startTrainer()
    const fileOf = async (task: TrainTask) => ({ path: task.checkpoint.path, sha256: (await train(trainer, task)).sha256 })
    const first = await fileOf(trainTask(folder.path, { config, block: 1 }))
    const otherFirst = await fileOf(trainTask(folder.path, { config: { ...config, eta: 7 }, block: 1 }))
    const second = (shared_from: TrainTask['shared_from']) => train(trainer, trainTask(folder.path, { config, block: 2, shared_from }))
    const hashes = [await second(null), await second(first), await second(otherFirst)].map(({ sha256 }) => sha256)
    expect(new Set(hashes).size).toBe(3)
  })

  it('leaves no partial file when it is killed', async () => {
    const own = await temporaryFolder()
    const trainer = startTrainer()
    const answer = trainer.run(trainTask(own.path)).catch((error: unknown) => error)
    await trainer.next((message) => message.type === 'events')
    trainer.child.kill('SIGKILL')
    expect(await answer).toBeInstanceOf(Error)
    expect((await readdir(own.path)).filter((name) => name.endsWith('.safetensors'))).toEqual([])
    await own.remove()
  })

  it('refuses a checkpoint whose bytes are not the recorded ones', async () => {
    const path = join(folder.path, 'broken.safetensors')
    await writeFile(path, 'not a checkpoint')
    const answer = await startTrainer().run(trainTask(folder.path, { epoch: 2, resume_from: { path, sha256: '0'.repeat(64) } }))
    expect(answer).toMatchObject({ type: 'task_failed', failure: { kind: 'infrastructure', code: 'CHECKPOINT_CORRUPT', block: 1 } })
  })

  it('reports a checkpoint that cannot be written, and works on', async () => {
    const trainer = startTrainer()
    const file = join(folder.path, 'a-file')
    await writeFile(file, '')
    expect(await trainer.run(trainTask(join(file, 'below')))).toMatchObject({ type: 'task_failed', failure: { code: 'ENOTDIR' } })
    expect((await train(trainer, trainTask(folder.path))).step).toBe(50)
  })

  it('learns: evaluation after training is far above chance, and shards add up to the whole', async () => {
    const trainer = startTrainer()
    const checkpoints: EvaluateTask['checkpoints'] = []
    for (const block of [0, 1, 2]) {
      let resume_from: TrainTask['resume_from'] = null
      for (const epoch of [1, 2]) {
        const task = trainTask(folder.path, {
          block,
          epoch,
          resume_from,
          config: { ...tinyConfig, train_limit: 12_000, learning_rate: 0.005 },
        })
        const { sha256 } = await train(trainer, task)
        resume_from = { path: task.checkpoint.path, sha256 }
      }
      checkpoints.push({ block, ...resume_from! })
    }
    const evaluate = async (offset: number, count: number) => {
      const task: EvaluateTask = { kind: 'evaluate', ...taskBase(), epoch: 2, split: 'test', offset, count, checkpoints }
      const answer = await trainer.run(task)
      if (answer.type !== 'task_done' || answer.result.kind !== 'evaluate') throw new Error(JSON.stringify(answer))
      return answer.result
    }
    const whole = await evaluate(0, 300)
    expect(whole.noise_free.correct_after_step[1]! / 300).toBeGreaterThan(0.9)
    expect(whole.confusion_matrix.flat().reduce((sum, n) => sum + n, 0)).toBe(300)

    const parts = [await evaluate(0, 110), await evaluate(110, 190)]
    for (const mode of ['noise_free', 'noisy'] as const) {
      expect(parts[0]![mode].correct_head + parts[1]![mode].correct_head).toBe(whole[mode].correct_head)
      whole[mode].correct_after_step.forEach((correct, i) => {
        expect(parts[0]![mode].correct_after_step[i]! + parts[1]![mode].correct_after_step[i]!).toBe(correct)
      })
    }
  }, 90_000)

  it('stops an evaluation between two stretches of a long chain', async () => {
    const config: RunConfig = {
      ...tinyConfig,
      method: 'noprop-ct',
      embedding: 'prototype',
      inference_steps: 1000,
      batch_size: 8,
      train_limit: 8,
    }
    const trainer = startTrainer()
    const { prototypes } = await prepare(trainer, { ...config, train_limit: 800 })
    const training = trainTask(folder.path, { config, prototypes })
    const checkpoints = [{ block: 1, path: training.checkpoint.path, sha256: (await train(trainer, training)).sha256 }]
    const task: EvaluateTask = { kind: 'evaluate', ...taskBase(config), epoch: 1, split: 'test', offset: 0, count: 125, checkpoints }
    const answer = trainer.run(task)
    // it is at the only batch that there is, whose thousand steps have convolutions
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const askedAt = performance.now()
    trainer.send({ type: 'stop', task_id: task.task_id })
    expect(await answer).toMatchObject({ type: 'task_stopped', checkpoint: null })
    expect(performance.now() - askedAt).toBeLessThan(1500)
  }, 60_000)

  it('sends heartbeats while it computes', async () => {
    const trainer = startTrainer()
    await train(trainer, trainTask(folder.path, { config: { ...tinyConfig, train_limit: 20_000 } }))
    expect(trainer.messages.filter((message) => message.type === 'heartbeat').length).toBeGreaterThan(0)
  }, 60_000)

  it('ignores messages that are not of the contract', async () => {
    const trainer = startTrainer()
    trainer.child.send({ type: 'task', task: { kind: 'train', block: -1 } })
    trainer.child.send('nonsense')
    expect(await trainer.run({ kind: 'prepare', ...taskBase() })).toMatchObject({ type: 'task_done' })
  })

  it.each([0, 30, 100, 200])('ends by itself when its server is gone %i ms after its start', async (delayMs) => {
    const trainer = startTrainer()
    const exit = once(trainer.child, 'exit')
    await new Promise((resolve) => setTimeout(resolve, delayMs))
    trainer.child.disconnect()
    expect(await exit).toEqual([0, null])
  })

  it('ends by itself when its server is gone', async () => {
    const trainer = startTrainer()
    await trainer.next((message) => message.type === 'ready')
    const exit = once(trainer.child, 'exit')
    trainer.child.disconnect()
    expect(await exit).toEqual([0, null])
  })
})
