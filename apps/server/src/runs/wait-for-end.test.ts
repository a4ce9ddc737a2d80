import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { waitForEnd } from './wait-for-end.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

type App = Parameters<typeof waitForEnd>[0]

/** A server with one run, and what wakes those who listen to its events. */
function serverWith(run: { status: string }) {
  const listeners = new Set<() => void>()
  const events = {
    onChange(_runId: string, listener: () => void) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const app = { events, runs: { get: async () => run } } as unknown as App
  return { app, listeners, wake: () => listeners.forEach((listener) => listener()) }
}

test('a wait is over when its time is, also where garbage was collected meanwhile', async () => {
  const { app, listeners } = serverWith({ status: 'running' })
  const waiting = waitForEnd(app, 'run_1', { timeoutMs: 200, signal: new AbortController().signal }).then(() => 'over')
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  const tooLate = new Promise((resolve) => setTimeout(resolve, 5000, 'too late').unref())
  expect(await Promise.race([waiting, tooLate])).toBe('over')
  expect(listeners.size).toBe(0)
})

test('a wait is over when the run has ended, and when nobody waits any more', async () => {
  const run = { status: 'running' }
  const { app, wake } = serverWith(run)
  const waiting = waitForEnd(app, 'run_1', { timeoutMs: 60_000, signal: new AbortController().signal })
  await new Promise((resolve) => setImmediate(resolve))
  run.status = 'succeeded'
  wake()
  await waiting

  run.status = 'running'
  const gone = new AbortController()
  const left = waitForEnd(app, 'run_1', { timeoutMs: 60_000, signal: gone.signal })
  gone.abort()
  await left
})
