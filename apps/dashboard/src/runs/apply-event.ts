import { assertExhaustive, isFinal, type BlockProgress, type Run, type RunEvent } from '@noprop/contract'

/** The run as it is after an event. Events that it already contains (`seq` up to `last_seq`) change nothing. */
export function applyEvent(run: Run, event: RunEvent): Run {
  if (event.seq <= run.last_seq) return run
  return { ...run, ...changesOf(run, event), last_seq: event.seq }
}

function changesOf(run: Run, event: RunEvent): Partial<Run> {
  switch (event.type) {
    case 'status':
      return {
        status: event.status,
        status_reason: event.reason,
        failure: event.failure,
        started_at: run.started_at ?? (event.status === 'running' ? event.time : null),
        finished_at: isFinal(event.status) ? event.time : run.finished_at,
        ...(isFinal(event.status) ? { blocks: run.blocks.map((block) => ({ ...block, trainer: null })) } : {}),
      }
    case 'progress': {
      const { epoch, epochs, step, steps, fraction, images_per_second, eta_seconds } = event
      return { progress: { epoch, epochs, step, steps, fraction, images_per_second, eta_seconds } }
    }
    case 'block_started':
      return { blocks: withBlock(run.blocks, event.block, { epoch: event.epoch - 1, step: event.step, trainer: event.trainer }) }
    case 'block_metrics':
      return { blocks: withBlock(run.blocks, event.block, { epoch: event.epoch - 1, step: event.step }) }
    case 'checkpoint_saved':
      return { blocks: withBlock(run.blocks, event.block, { epoch: event.epoch, step: event.step, trainer: null }) }
    case 'evaluation_completed':
      return {
        metrics: {
          ...run.metrics,
          [`${event.split}_accuracy`]: event.accuracy,
          [`${event.split}_accuracy_noisy`]: event.noisy.head,
          [`${event.split}_accuracy_noise_free_head`]: event.noise_free.head,
          [`${event.split}_loss`]: event.loss,
        },
      }
    case 'log':
    case 'dataset_progress':
      return {}
    default:
      return assertExhaustive(event)
  }
}

function withBlock(blocks: readonly BlockProgress[], block: number, change: Partial<BlockProgress>): BlockProgress[] {
  if (!blocks.some((other) => other.block === block)) {
    return [...blocks, { block, epoch: 0, step: 0, trainer: null, ...change }].sort((a, b) => a.block - b.block)
  }
  return blocks.map((other) => (other.block === block ? { ...other, ...change } : other))
}
