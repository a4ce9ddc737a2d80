/**
 * A trainer that computes nothing and tells something at a steady pace, so that it is known when each event came into the world: a log line ends with that
 * time, metrics carry it as `emitted_at`, in milliseconds since the epoch. Of the configuration of its run, `eta` is the pace in milliseconds; with `blocks`
 * of 2 it tells metrics, else log lines. First of all it tells `train_limit` lines at once: the history that the clients come upon.
 */

import { createHash } from 'node:crypto'
import type { PrepareResult, ServerToTrainer, Task, TrainerToServer, TrainingEvent } from '@noprop/contract'

/** Lines of the history in one message. */
const batch = 100
const send = (message: TrainerToServer) => process.connected && process.send!(message)
let pulse: NodeJS.Timeout | undefined
let step = 0

const prepared: PrepareResult = {
  kind: 'prepare',
  data_sha256: createHash('sha256').update('steady').digest('hex'),
  train_examples: 60_000,
  validation_examples: 0,
  test_examples: 10_000,
  steps_per_epoch: 1e6,
  steps_per_epoch_shared: 1e6,
  parameters: { total: 10, per_block: 10, shared: 0 },
  units: [1],
  in_turn: false,
  chain_steps: [1],
  prototypes: null,
  device: 'none',
  versions: {},
}

function begin(task: Task) {
  if (task.kind !== 'train') return send({ type: 'task_done', task_id: task.task_id, result: prepared })
  const { block, epoch, config } = task
  const history = Array.from({ length: config.train_limit ?? 0 }, (_, i): TrainingEvent => ({
    type: 'log',
    level: 'info',
    message: `line ${i} of the history`,
  }))
  while (history.length > 0) send({ type: 'events', task_id: task.task_id, events: history.splice(0, batch) })
  const startedAt = performance.now()
  const told = { count: 0 }
  const metrics = (): TrainingEvent => {
    const values = {
      denoising_loss: 0.5,
      weighted_loss: 0.4,
      accuracy: 0.9,
      gradient_norm: 1.5,
      images_per_second: 500,
      emitted_at: Date.now(),
    }
    return { type: 'block_metrics', block, epoch, step: ++step, values }
  }
  const tell = () => {
    const event: TrainingEvent = config.blocks === 2 ? metrics() : { type: 'log', level: 'info', message: `emitted at ${Date.now()}` }
    send({ type: 'events', task_id: task.task_id, events: [event] })
    // by the clock, not from the last one: the pace must not suffer from a busy machine
    const next = startedAt + ++told.count * config.eta
    pulse = setTimeout(tell, Math.max(0, next - performance.now()))
  }
  tell()
}

process.on('message', (message: ServerToTrainer) => {
  if (message.type === 'task') return begin(message.task)
  clearTimeout(pulse)
  send({ type: 'task_stopped', task_id: message.task_id, checkpoint: null })
})
process.on('disconnect', () => process.exit(0))
// its server may have gone while it was still loading
if (!process.connected) process.exit(0)
setInterval(() => send({ type: 'heartbeat' }), 1000)
send({ type: 'ready', pid: process.pid })
