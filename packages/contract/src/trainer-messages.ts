import Type from 'typebox'
import { CheckpointFacts } from './checkpoint.ts'
import { Split } from './evaluation.ts'
import { BlockIndex, CheckpointId, RunId, TaskId } from './identifiers.ts'
import { Failure } from './run.ts'
import { DatasetName, RunConfig } from './run-config.ts'
import { TrainingEvent } from './run-event.ts'

/**
 * What the server and a trainer say to each other, one JSON message at a time over the IPC channel of `child_process.fork`.
 * A trainer works on one task at a time. All paths are made by the server, from ids that it made.
 */

const CheckpointFile = Type.Object({ path: Type.String(), sha256: Type.String() })

/** For each class the index of a training image: what an embedding of prototypes begins with; null where it is not needed. */
const Prototypes = Type.Union([Type.Array(Type.Integer({ minimum: 0 })), Type.Null()])

const common = { task_id: TaskId, run_id: RunId, dataset: DatasetName, config: RunConfig }

/** Gets the data onto this machine and counts it; the first task of a run. */
export const PrepareTask = Type.Object({ kind: Type.Literal('prepare'), ...common })
export type PrepareTask = Type.Static<typeof PrepareTask>

/** Trains one block for what is left of one epoch, from a checkpoint (null: from the seed), and writes the next checkpoint. */
export const TrainTask = Type.Object({
  kind: Type.Literal('train'),
  ...common,
  block: BlockIndex,
  epoch: Type.Integer({ minimum: 1 }),
  resume_from: Type.Union([CheckpointFile, Type.Null()]),
  /** Where blocks share weights and so train in turns: the checkpoint of the block before, whose shared weights this one goes on from. */
  shared_from: Type.Union([CheckpointFile, Type.Null()]),
  prototypes: Prototypes,
  checkpoint: Type.Object({ checkpoint_id: CheckpointId, path: Type.String() }),
})
export type TrainTask = Type.Static<typeof TrainTask>

/** Runs the chain on examples offset … offset + count − 1 of a split. */
export const EvaluateTask = Type.Object({
  kind: Type.Literal('evaluate'),
  ...common,
  epoch: Type.Integer({ minimum: 1 }),
  split: Split,
  offset: Type.Integer({ minimum: 0 }),
  count: Type.Integer({ minimum: 1 }),
  checkpoints: Type.Array(Type.Object({ block: BlockIndex, path: Type.String(), sha256: Type.String() })),
})
export type EvaluateTask = Type.Static<typeof EvaluateTask>

export const Task = Type.Union([PrepareTask, TrainTask, EvaluateTask])
export type Task = Type.Static<typeof Task>

export const PrepareResult = Type.Object({
  kind: Type.Literal('prepare'),
  data_sha256: Type.String(),
  train_examples: Type.Integer({ description: 'after train_limit and the validation split' }),
  validation_examples: Type.Integer(),
  test_examples: Type.Integer(),
  steps_per_epoch: Type.Integer(),
  parameters: Type.Object({ total: Type.Integer(), per_block: Type.Integer(), shared: Type.Integer() }),
  units: Type.Array(BlockIndex, {
    minItems: 1,
    description:
      'what is trained on its own, in order: the blocks, and 0 for the shared head; or 1 alone for a network whose parts are trained together',
  }),
  in_turn: Type.Boolean({ description: 'the units share weights: one trains after the other, never two at a time' }),
  chain_steps: Type.Array(Type.Integer({ minimum: 1 }), {
    minItems: 1,
    description: 'numbers of the steps of the chain after which an evaluation counts: every block, or up to 20 of many small steps',
  }),
  prototypes: Prototypes,
  steps_per_epoch_shared: Type.Integer({
    description: 'optimizer steps of unit 0 in one epoch (Algorithm 1 updates the head once per block and batch)',
  }),
  device: Type.String(),
  versions: Type.Record(Type.String(), Type.String()),
})
export type PrepareResult = Type.Static<typeof PrepareResult>

export const TrainResult = Type.Object({ kind: Type.Literal('train'), checkpoint: CheckpointFacts, seconds: Type.Number() })
export type TrainResult = Type.Static<typeof TrainResult>

const Counts = Type.Object({
  correct_after_step: Type.Array(Type.Integer()),
  correct_head: Type.Integer(),
})

/** Sums over the examples of one shard; the server adds the shards of an evaluation. */
export const EvaluateResult = Type.Object({
  kind: Type.Literal('evaluate'),
  count: Type.Integer(),
  loss_sum: Type.Number(),
  noise_free: Counts,
  noisy: Counts,
  confusion_matrix: Type.Array(Type.Array(Type.Integer())),
  seconds: Type.Number(),
})
export type EvaluateResult = Type.Static<typeof EvaluateResult>

export const TaskResult = Type.Union([PrepareResult, TrainResult, EvaluateResult])
export type TaskResult = Type.Static<typeof TaskResult>

export const ServerToTrainer = Type.Union([
  Type.Object({ type: Type.Literal('task'), task: Task }),
  /** Stop between two steps, write a checkpoint where the task has one, answer `task_stopped`. */
  Type.Object({ type: Type.Literal('stop'), task_id: TaskId }),
])
export type ServerToTrainer = Type.Static<typeof ServerToTrainer>

export const TrainerToServer = Type.Union([
  Type.Object({ type: Type.Literal('ready'), pid: Type.Integer() }),
  Type.Object({ type: Type.Literal('heartbeat') }),
  Type.Object({ type: Type.Literal('events'), task_id: TaskId, events: Type.Array(TrainingEvent) }),
  Type.Object({ type: Type.Literal('task_done'), task_id: TaskId, result: TaskResult }),
  Type.Object({ type: Type.Literal('task_stopped'), task_id: TaskId, checkpoint: Type.Union([CheckpointFacts, Type.Null()]) }),
  Type.Object({ type: Type.Literal('task_failed'), task_id: TaskId, failure: Failure, stack: Type.Union([Type.String(), Type.Null()]) }),
])
export type TrainerToServer = Type.Static<typeof TrainerToServer>
