import { expect, test } from 'vitest'
import { waitReason } from './wait-reason.ts'

const runs = ['run_a', 'run_b', 'run_c'].map((id) => ({ id, name: id }))

test.for([
  [0, 2, null],
  [1, 1, 'waiting for run_a (the trainer is busy with it)'],
  [1, 2, 'waiting for run_a (both trainers are busy with it)'],
  [2, 4, 'waiting for run_a (all 4 trainers are busy with it) and for 1 more in the queue'],
  [3, 2, 'waiting for run_a (both trainers are busy with it) and for 2 more in the queue'],
] as const)('%i runs before it and %i trainers: %s', ([before, trainers, reason]) => {
  expect(waitReason(runs.slice(0, before), trainers)).toBe(reason)
})
