import Type from 'typebox'
import { BlockIndex, RunId, Timestamp } from './identifiers.ts'
import { DatasetName, RunConfig, RunConfigOverrides } from './run-config.ts'

/** Life of a run: queued → starting → running → succeeded | failed | canceled, through canceling and interrupted. */
export const RunStatus = Type.Enum(['queued', 'starting', 'running', 'interrupted', 'canceling', 'canceled', 'succeeded', 'failed'])
export type RunStatus = Type.Static<typeof RunStatus>

/** Why a run ended badly, or could not go on. */
export const Failure = Type.Object({
  kind: Type.Enum(['user', 'resource', 'infrastructure'], { description: 'who can mend it: the request, the machine, or us' }),
  code: Type.String({ examples: ['DATASET_UNAVAILABLE'] }),
  message: Type.String(),
  block: Type.Optional(BlockIndex),
})
export type Failure = Type.Static<typeof Failure>

export const RunProgress = Type.Object({
  epoch: Type.Integer({ minimum: 0, description: 'epochs that every block has finished' }),
  epochs: Type.Integer({ minimum: 1 }),
  step: Type.Integer({ minimum: 0, description: 'optimizer steps done, summed over the blocks' }),
  steps: Type.Union([Type.Integer(), Type.Null()], { description: 'optimizer steps of the whole run; null before the data is known' }),
  fraction: Type.Number({ minimum: 0, maximum: 1 }),
  images_per_second: Type.Union([Type.Number(), Type.Null()], {
    description: 'training images through a block per second, all trainers together',
  }),
  eta_seconds: Type.Union([Type.Number(), Type.Null()]),
})
export type RunProgress = Type.Static<typeof RunProgress>

/** Where one block stands, and which trainer holds it at the moment. */
export const BlockProgress = Type.Object({
  block: BlockIndex,
  epoch: Type.Integer({ minimum: 0, description: 'epochs finished' }),
  step: Type.Integer({ minimum: 0, description: 'optimizer steps done' }),
  trainer: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()], { description: 'slot of the trainer that is training it now' }),
})
export type BlockProgress = Type.Static<typeof BlockProgress>

/** What it takes to repeat a run. Fields are null until the run has started. */
export const Provenance = Type.Object({
  seed: Type.Integer(),
  data_sha256: Type.Union([Type.String(), Type.Null()]),
  versions: Type.Record(Type.String(), Type.String()),
  git_commit: Type.Union([Type.String(), Type.Null()]),
  device: Type.Union([Type.String(), Type.Null()]),
})
export type Provenance = Type.Static<typeof Provenance>

export const Run = Type.Object({
  id: RunId,
  name: Type.String(),
  status: RunStatus,
  status_reason: Type.Union([Type.String(), Type.Null()], { description: 'one sentence: what it waits for, or how it ended' }),
  dataset: DatasetName,
  preset: Type.Union([Type.String(), Type.Null()]),
  config: RunConfig,
  progress: RunProgress,
  blocks: Type.Array(BlockProgress),
  metrics: Type.Record(Type.String(), Type.Number(), { description: 'newest value of each run-wide metric, such as test_accuracy' }),
  parameters: Type.Union([Type.Object({ total: Type.Integer(), per_block: Type.Integer(), shared: Type.Integer() }), Type.Null()]),
  failure: Type.Union([Failure, Type.Null()]),
  provenance: Provenance,
  last_seq: Type.Integer({ minimum: 0, description: 'sequence number of the newest event of this run' }),
  created_at: Timestamp,
  started_at: Type.Union([Timestamp, Type.Null()]),
  finished_at: Type.Union([Timestamp, Type.Null()]),
})
export type Run = Type.Static<typeof Run>

export const CreateRun = Type.Object(
  {
    dataset: DatasetName,
    preset: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 120 })),
    config: Type.Optional(RunConfigOverrides),
  },
  { additionalProperties: false },
)
export type CreateRun = Type.Static<typeof CreateRun>

const finalStatuses: readonly RunStatus[] = ['canceled', 'succeeded', 'failed']

/** Whether a run in this status will never change again. */
export function isFinal(status: RunStatus): boolean {
  return finalStatuses.includes(status)
}
