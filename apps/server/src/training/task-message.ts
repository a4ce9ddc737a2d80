import type { PrepareResult, Run, Task } from '@noprop/contract'
import type { CheckpointStore } from '../checkpoints/checkpoint-store.ts'
import { newId } from '../ids.ts'
import type { Transaction } from '../plugins/database.ts'
import { checkpointsOfEpoch, turnBefore } from './task-graph.ts'
import type { LeasedTask } from './task-queue.ts'

/**
 * What a trainer needs to know to carry out a leased task: for training the newest checkpoint of its block, and where blocks take turns that of the one
 * before it; for an evaluation those of its epoch.
 *
 * @param prepared null before the data is here, when there is nothing else to do than to prepare it
 */
export async function taskMessage(
  { db }: Transaction,
  run: Pick<Run, 'id' | 'dataset' | 'config'>,
  leased: LeasedTask,
  prepared: PrepareResult | null,
  store: CheckpointStore,
): Promise<Task> {
  const common = { task_id: leased.id, run_id: run.id, dataset: run.dataset, config: run.config }
  const fileOf = ({ id, sha256 }: { id: string; sha256: string }) => ({ path: store.path(run.id, id), sha256 })

  if (leased.kind === 'prepare') return { kind: 'prepare', ...common }

  if (leased.kind === 'train') {
    const [block, epoch] = [leased.block!, leased.epoch!]
    const before = prepared!.in_turn ? turnBefore(block, epoch, prepared!) : null
    const newest = await db.checkpoint.findFirst({ where: { runId: run.id, block }, orderBy: { step: 'desc' } })
    const handedOver = before && checkpointsOfEpoch(await db.checkpoint.findMany({ where: { runId: run.id, ...before } }), before.epoch)[0]
    // to go on without it would train on, with other weights than an undisturbed run has
    if (before && !handedOver) throw new Error(`block ${before.block} has left no checkpoint of epoch ${before.epoch} to go on from`)
    const checkpointId = newId('ckpt')
    return {
      kind: 'train',
      ...common,
      block,
      epoch,
      resume_from: newest && fileOf(newest),
      shared_from: handedOver ? fileOf(handedOver) : null,
      prototypes: prepared!.prototypes,
      checkpoint: { checkpoint_id: checkpointId, path: store.path(run.id, checkpointId) },
    }
  }

  const epoch = leased.epoch!
  const checkpoints = checkpointsOfEpoch(await db.checkpoint.findMany({ where: { runId: run.id, epoch } }), epoch)
  return {
    kind: 'evaluate',
    ...common,
    epoch,
    split: leased.split!,
    offset: leased.offset!,
    count: leased.count!,
    checkpoints: checkpoints.map((checkpoint) => ({ block: checkpoint.block, ...fileOf(checkpoint) })),
  }
}
