import type { RunEvent } from '@noprop/contract'
import { expect, test } from 'vitest'
import { reachedAt, runTimes } from './run-times.ts'

/** Events of a run, a second apart from the first second of 1970 on. */
function eventsOf(bodies: readonly object[]): RunEvent[] {
  return bodies.map((body, i) => ({ run_id: 'run_1', seq: i + 1, time: new Date(1000 * (i + 1)).toISOString(), ...body }) as RunEvent)
}

const evaluation = (split: string, examples: number, accuracy: number) => ({ type: 'evaluation_completed', split, examples, accuracy })

const events = eventsOf([
  { type: 'status', status: 'queued' },
  { type: 'status', status: 'starting' },
  { type: 'status', status: 'running' },
  { type: 'block_started' },
  { type: 'checkpoint_saved' },
  evaluation('validation', 5000, 0.995),
  evaluation('test', 1000, 0.992),
  evaluation('test', 10_000, 0.985),
  { type: 'checkpoint_saved' },
  evaluation('test', 10_000, 0.991),
  { type: 'status', status: 'running' },
])

test('training lasts from the first running to the last checkpoint', () => {
  expect(runTimes(events)).toMatchObject({ trainingStarted: 3000, trainingEnded: 9000 })
})

test('a run that was never begun has no times', () => {
  expect(runTimes(events.slice(0, 2))).toEqual({ trainingStarted: null, trainingEnded: null, evaluations: [] })
})

test('an accuracy is reached by the first evaluation of the whole test set that shows it', () => {
  const times = runTimes(events, 10_000)
  expect([0.98, 0.985, 0.99, 0.992].map((accuracy) => reachedAt(times, accuracy))).toEqual([8000, 8000, 10_000, null])
})
