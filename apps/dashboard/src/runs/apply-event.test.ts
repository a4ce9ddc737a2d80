import type { Run, RunEvent, RunEventBody } from '@noprop/contract'
import { describe, expect, test } from 'vitest'
import { applyEvent } from './apply-event.ts'

const run = {
  id: 'run_01jd4z6k8r9v2w3x4y5z6a7b8c',
  status: 'queued',
  status_reason: 'waits for run_x',
  failure: null,
  blocks: [],
  metrics: {},
  last_seq: 4,
  started_at: null,
  finished_at: null,
} as unknown as Run

const event = (seq: number, body: RunEventBody) => ({ run_id: run.id, seq, time: '2026-01-01T00:00:00.000Z', ...body }) as RunEvent
const running = event(5, { type: 'status', status: 'running', reason: null, failure: null })
const blockStarted = event(6, { type: 'block_started', block: 2, epoch: 3, step: 936, trainer: 1, pid: 77 })

describe('applyEvent', () => {
  test('an event that the run already contains changes nothing', () => {
    expect(applyEvent(run, { ...running, seq: 4 })).toBe(run)
  })

  test('running sets the start once', () => {
    const started = applyEvent(run, running)
    expect(started).toMatchObject({ status: 'running', status_reason: null, started_at: running.time, last_seq: 5 })
    expect(applyEvent(started, { ...running, seq: 6, time: '2027-01-01T00:00:00.000Z' }).started_at).toBe(running.time)
  })

  test('a final status sets the end and takes the trainers away', () => {
    const training = applyEvent(run, blockStarted)
    const failed = applyEvent(training, event(7, { type: 'status', status: 'failed', reason: 'disk full', failure: null }))
    expect(failed.finished_at).toBe(running.time)
    expect(failed.blocks[0]!.trainer).toBeNull()
  })

  test('a block that starts is held by its trainer and has finished the epochs before', () => {
    expect(applyEvent(run, blockStarted).blocks).toEqual([{ block: 2, epoch: 2, step: 936, trainer: 1 }])
  })

  test('a checkpoint frees the block, whose epoch is then finished', () => {
    const saved = event(7, { type: 'checkpoint_saved', block: 2, epoch: 3, step: 1404, checkpoint_id: 'ckpt_x', sha256: '', size_bytes: 1 })
    expect(applyEvent(applyEvent(run, blockStarted), saved).blocks).toEqual([{ block: 2, epoch: 3, step: 1404, trainer: null }])
  })

  test('a log line leaves the run as it was, but for its last_seq', () => {
    expect(applyEvent(run, event(5, { type: 'log', level: 'info', message: 'x' }))).toEqual({ ...run, last_seq: 5 })
  })
})
