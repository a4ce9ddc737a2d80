import Type from 'typebox'
import { BlockIndex, CheckpointId, RunId, Timestamp } from './identifiers.ts'

/** A file of weights, optimizer state and position of one block. */
export const CheckpointFacts = Type.Object({
  checkpoint_id: CheckpointId,
  block: BlockIndex,
  epoch: Type.Integer({ minimum: 0, description: 'epochs finished when it was written' }),
  step: Type.Integer({ minimum: 0, description: 'optimizer steps done, from the start of the run' }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  size_bytes: Type.Integer({ minimum: 0 }),
})
export type CheckpointFacts = Type.Static<typeof CheckpointFacts>

export const Checkpoint = Type.Object({
  id: CheckpointId,
  run_id: RunId,
  block: BlockIndex,
  epoch: Type.Integer(),
  step: Type.Integer(),
  sha256: Type.String(),
  size_bytes: Type.Integer(),
  created_at: Timestamp,
})
export type Checkpoint = Type.Static<typeof Checkpoint>
