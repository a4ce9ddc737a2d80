import type { RunEvent } from '@noprop/contract'

/** What a run went through, by the times of its events; in milliseconds since the epoch, null where it did not get there. */
export interface RunTimes {
  /** the data is ready, and the first training task is handed to a trainer */
  readonly trainingStarted: number | null
  /** the last checkpoint of a training task is recorded */
  readonly trainingEnded: number | null
  readonly evaluations: readonly { readonly at: number; readonly accuracy: number }[]
}

/** @param testExamples only evaluations of so many test images count */
export function runTimes(events: readonly RunEvent[], testExamples?: number): RunTimes {
  const started = events.find((event) => event.type === 'status' && event.status === 'running')
  const ended = events.findLast(({ type }) => type === 'checkpoint_saved')
  const evaluations = events.flatMap((event) => {
    if (event.type !== 'evaluation_completed' || event.split !== 'test' || event.examples !== (testExamples ?? event.examples)) return []
    return [{ at: Date.parse(event.time), accuracy: event.accuracy }]
  })
  return { trainingStarted: timeOf(started), trainingEnded: timeOf(ended), evaluations }
}

/** When an evaluation first showed an accuracy of at least `accuracy`; null where none did. */
export function reachedAt({ evaluations }: RunTimes, accuracy: number): number | null {
  return evaluations.find((evaluation) => evaluation.accuracy >= accuracy)?.at ?? null
}

function timeOf(event: RunEvent | undefined): number | null {
  return event ? Date.parse(event.time) : null
}
