import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RunConfig, ServerToTrainer, Task, TrainerToServer, TrainTask } from '@noprop/contract'

const entry = fileURLToPath(new URL('../../../dist/trainer/main.js', import.meta.url))
/** Kept between test runs: making the synthetic digits takes some seconds. */
const dataDir = fileURLToPath(new URL('../../../.cache/trainer-test', import.meta.url))

const dataset = process.env['NOPROP_DATASETS_DIR'] ? 'mnist' : 'synthetic-digits'

export const tinyConfig: RunConfig = {
  method: 'noprop-dt',
  embedding: 'one-hot',
  embedding_dim: 8,
  embedding_init: 'auto',
  head: 'softmax',
  radial_sigma: 1,
  blocks: 2,
  inference_steps: 20,
  sampler: 'eq3',
  fm_sigma: 0,
  channels: [4, 6, 8],
  features: 16,
  dropout: 0.2,
  eta: 0.1,
  epochs: 2,
  batch_size: 32,
  learning_rate: 0.002,
  learning_rate_schedule: 'cosine',
  optimizer: 'adamw',
  weight_decay: 0.001,
  noise_samples: 2,
  augmentation: 'none',
  ema_decay: 0,
  label_smoothing: 0,
  seed: 7,
  train_limit: 1600,
  test_limit: 300,
  validation_size: 200,
  evaluation_interval: 1,
  metrics_interval: 10,
  device: 'cpu',
}

type Answer = Extract<TrainerToServer, { type: 'task_done' | 'task_stopped' | 'task_failed' }>

/** A trainer as the server starts it, with its messages collected. */
export class TrainerProcess {
  readonly messages: TrainerToServer[] = []
  readonly child: ChildProcess

  constructor() {
    this.child = fork(entry, { env: { ...process.env, NOPROP_DATA_DIR: dataDir, NOPROP_TRAINER_SLOT: '1' }, silent: true })
    this.child.on('message', (message) => this.messages.push(message as TrainerToServer))
  }

  send(message: ServerToTrainer) {
    this.child.send(message)
  }

  /** The first message from now on that fits, or an error when the trainer ends before it. */
  next(fits: (message: TrainerToServer) => boolean): Promise<TrainerToServer> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null, signal: string | null) => {
        this.child.off('message', onMessage)
        reject(new Error(`the trainer ended: ${code} ${signal}`))
      }
      const onMessage = (message: unknown) => {
        if (!fits(message as TrainerToServer)) return
        this.child.off('message', onMessage).off('exit', onExit)
        resolve(message as TrainerToServer)
      }
      this.child.on('message', onMessage).once('exit', onExit)
    })
  }

  async run(task: Task): Promise<Answer> {
    const answer = this.next((message) => message.type.startsWith('task_') && 'task_id' in message && message.task_id === task.task_id)
    this.send({ type: 'task', task })
    return (await answer) as Answer
  }

  events(type: string) {
    return this.messages.flatMap((message) => (message.type === 'events' ? message.events.filter((event) => event.type === type) : []))
  }

  async end() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exit = once(this.child, 'exit')
    this.child.disconnect()
    await exit
  }
}

export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'noprop-trainer-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

let count = 0

/** An id of the right form that no other test uses. */
function makeId<P extends string>(prefix: P): string {
  return `${prefix}_${String(++count).padStart(26, '0')}`
}

export function taskBase(config: RunConfig = tinyConfig) {
  return { task_id: makeId('task'), run_id: makeId('run'), dataset, config } as const
}

type TrainFields = Pick<TrainTask, 'block' | 'epoch' | 'resume_from' | 'shared_from' | 'prototypes' | 'config'>

export function trainTask(folder: string, fields: Partial<TrainFields> = {}): TrainTask {
  const checkpointId = makeId('ckpt')
  return {
    kind: 'train',
    ...taskBase(fields.config),
    block: fields.block ?? 1,
    epoch: fields.epoch ?? 1,
    resume_from: fields.resume_from ?? null,
    shared_from: fields.shared_from ?? null,
    prototypes: fields.prototypes ?? null,
    checkpoint: { checkpoint_id: checkpointId, path: join(folder, `${checkpointId}.safetensors`) },
  }
}
