import Type from 'typebox'
import { CheckpointFacts } from './checkpoint.ts'
import { EvaluationFacts } from './evaluation.ts'
import { BlockIndex, EvaluationId, RunId, Timestamp } from './identifiers.ts'
import { Failure, RunProgress, RunStatus } from './run.ts'

/**
 * What happens to a run. A trainer emits some of these, the server the others; each is stored, streamed and drawn as it is.
 * To add a kind: write it here and list it in the union below; the switches over `type` then fail to compile where they must grow.
 */

export const StatusEvent = Type.Object({
  type: Type.Literal('status'),
  status: RunStatus,
  reason: Type.Union([Type.String(), Type.Null()]),
  failure: Type.Union([Failure, Type.Null()]),
})

export const LogEvent = Type.Object({
  type: Type.Literal('log'),
  level: Type.Enum(['info', 'warn', 'error']),
  message: Type.String(),
})

export const DatasetProgressEvent = Type.Object({
  type: Type.Literal('dataset_progress'),
  file: Type.String(),
  received_bytes: Type.Integer({ minimum: 0 }),
  total_bytes: Type.Union([Type.Integer(), Type.Null()]),
})

export const BlockStartedEvent = Type.Object({
  type: Type.Literal('block_started'),
  block: BlockIndex,
  epoch: Type.Integer({ minimum: 1, description: 'the epoch that begins, from 1' }),
  step: Type.Integer({ minimum: 0, description: 'optimizer steps done before it' }),
  trainer: Type.Integer({ minimum: 0, description: 'slot' }),
  pid: Type.Integer(),
})

export const BlockMetricsEvent = Type.Object({
  type: Type.Literal('block_metrics'),
  block: BlockIndex,
  epoch: Type.Integer({ minimum: 1 }),
  step: Type.Integer({ minimum: 1, description: 'optimizer steps done, from the start of the run' }),
  values: Type.Record(Type.String(), Type.Number(), {
    description:
      'blocks: denoising_loss, weighted_loss, accuracy, gradient_norm, update_ratio, step_seconds, images_per_second, learning_rate; block 0: cross_entropy in place of the two losses',
  }),
})

export const CheckpointSavedEvent = Type.Object({ type: Type.Literal('checkpoint_saved'), ...CheckpointFacts.properties })

export const EvaluationCompletedEvent = Type.Object({
  type: Type.Literal('evaluation_completed'),
  evaluation_id: EvaluationId,
  ...EvaluationFacts.properties,
})

export const ProgressEvent = Type.Object({ type: Type.Literal('progress'), ...RunProgress.properties })

/** Kinds that a trainer emits while it works on a task. */
export const TrainingEvent = Type.Union([LogEvent, DatasetProgressEvent, BlockStartedEvent, BlockMetricsEvent])
export type TrainingEvent = Type.Static<typeof TrainingEvent>

export const RunEventBody = Type.Union([
  StatusEvent,
  LogEvent,
  DatasetProgressEvent,
  BlockStartedEvent,
  BlockMetricsEvent,
  CheckpointSavedEvent,
  EvaluationCompletedEvent,
  ProgressEvent,
])
export type RunEventBody = Type.Static<typeof RunEventBody>
export type RunEventType = RunEventBody['type']

const envelope = {
  run_id: RunId,
  seq: Type.Integer({ minimum: 1, description: 'position in the history of the run: 1, 2, 3, … without a gap' }),
  time: Timestamp,
}

/** An event as it is stored, streamed and drawn. */
export const RunEvent = Type.Union([
  Type.Object({ ...envelope, ...StatusEvent.properties }),
  Type.Object({ ...envelope, ...LogEvent.properties }),
  Type.Object({ ...envelope, ...DatasetProgressEvent.properties }),
  Type.Object({ ...envelope, ...BlockStartedEvent.properties }),
  Type.Object({ ...envelope, ...BlockMetricsEvent.properties }),
  Type.Object({ ...envelope, ...CheckpointSavedEvent.properties }),
  Type.Object({ ...envelope, ...EvaluationCompletedEvent.properties }),
  Type.Object({ ...envelope, ...ProgressEvent.properties }),
])
export type RunEvent = Type.Static<typeof RunEvent>

/** Makes a `switch` over all kinds a compile-time check. */
export function assertExhaustive(value: never): never {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`)
}
