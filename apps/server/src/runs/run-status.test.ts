import { isFinal, type RunStatus } from '@noprop/contract'
import { describe, expect, test } from 'vitest'
import { canBecome, canCancel, runStatuses } from './run-status.ts'

/** Every change that is allowed; all others are not. */
const allowed = new Set([
  'queued → starting',
  'queued → canceled',
  'queued → failed',
  'starting → running',
  'starting → interrupted',
  'starting → canceling',
  'starting → failed',
  'running → interrupted',
  'running → canceling',
  'running → succeeded',
  'running → failed',
  'interrupted → starting',
  'interrupted → running',
  'interrupted → canceling',
  'interrupted → failed',
  'canceling → canceled',
])

const pairs = runStatuses.flatMap((from) => runStatuses.map((to): [RunStatus, RunStatus] => [from, to]))

test.for(pairs)('%s → %s', ([from, to]) => {
  expect(canBecome(from, to)).toBe(allowed.has(`${from} → ${to}`))
})

test('the table knows all eight statuses', () => {
  expect(pairs).toHaveLength(64)
})

describe('a final status', () => {
  test.for(runStatuses.filter(isFinal))('%s never changes and cannot be canceled', (status) => {
    expect(runStatuses.some((to) => canBecome(status, to))).toBe(false)
    expect(canCancel(status)).toBe(false)
  })
})

test.for(runStatuses.filter((status) => !isFinal(status)))('%s leads to an end', (status) => {
  const reached = new Set<RunStatus>([status])
  for (const from of reached) for (const to of runStatuses) if (canBecome(from, to)) reached.add(to)
  expect([...reached].some(isFinal)).toBe(true)
})
