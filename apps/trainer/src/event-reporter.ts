import type { TrainerToServer, TrainingEvent } from '@noprop/contract'

export interface EventReporter {
  report(event: TrainingEvent): void
  flush(): void
}

/** Collects events and sends them at most every `intervalMs`; `flush` sends what is left. */
export function createEventReporter(taskId: string, post: (message: TrainerToServer) => void, intervalMs = 250): EventReporter {
  let pending: TrainingEvent[] = []
  let sentAt = 0

  function flush() {
    if (pending.length === 0) return
    post({ type: 'events', task_id: taskId, events: pending })
    pending = []
    sentAt = performance.now()
  }

  return {
    report(event) {
      pending.push(event)
      if (performance.now() - sentAt >= intervalMs) flush()
    },
    flush,
  }
}
