import type { Run } from '@noprop/contract'
import { ApiError } from '../api-error.ts'
import type { PrismaClient } from '../generated/prisma/client.ts'
import { readPrepared } from '../training/prepared-run.ts'
import { type BlockCheckpoint, newestWholeEpoch } from '../training/task-graph.ts'
import type { TrainingPlan } from '../training/training-plan.ts'

/** A file with the weights of one unit: a block (1…T), the classifier head (0), or a whole network (1). */
export interface UnitCheckpoint {
  readonly checkpointId: string
  readonly block: number
  readonly sha256: string
}

interface CheckpointPosition extends UnitCheckpoint, BlockCheckpoint {}

/**
 * The newest set of checkpoints that together make a network: one for each unit, all after the same epoch. Of a run that keeps only the newest
 * checkpoint of each block, the next one after that epoch stands in: blocks that are trained independently also work at different epochs.
 *
 * @throws {ApiError} RUN_HAS_NO_MODEL: some unit has not finished its first epoch
 */
export async function findServableModel(db: PrismaClient, run: Run): Promise<UnitCheckpoint[]> {
  const rows = await db.checkpoint.findMany({
    where: { runId: run.id, epoch: { gte: 1 } },
    select: { id: true, block: true, epoch: true, step: true, sha256: true },
  })
  const plan = { units: run.blocks.map(({ block }) => block), in_turn: (await readPrepared(db, run.id))?.in_turn ?? false }
  const checkpoints = selectCheckpoints(
    rows.map((row) => ({ checkpointId: row.id, ...row })),
    plan,
  )
  if (!checkpoints)
    throw new ApiError(
      'RUN_HAS_NO_MODEL',
      `Run ${run.id} is ${run.status} and has no network yet: every block must have finished an epoch`,
      {
        status: 409,
        title: 'The run cannot predict',
        errors: [{ pointer: '/run_id', detail: 'names a run without a complete set of checkpoints' }],
      },
    )
  return checkpoints
}

/**
 * One checkpoint for each unit at the newest epoch that all have reached, else the next after it; null while a unit has none. Units that share weights,
 * each of whose checkpoints has its own version of them, only fit at the same epoch.
 */
export function selectCheckpoints(rows: readonly CheckpointPosition[], { units, in_turn }: TrainingPlan): CheckpointPosition[] | null {
  const byUnit = units.map((unit) => rows.filter(({ block }) => block === unit).sort((a, b) => a.step - b.step))
  const newestEpochs = byUnit.map((own) => own.at(-1)?.epoch ?? 0)
  const common = in_turn ? newestWholeEpoch(rows, units) : Math.min(...newestEpochs)
  if (units.length === 0 || common < 1) return null
  // of one epoch, the earliest step is the end of it; later ones were written on the way through the next
  return byUnit.map((own) => own.find(({ epoch }) => epoch >= common)!)
}
