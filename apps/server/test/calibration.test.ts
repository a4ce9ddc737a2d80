import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { calibrateMachine } from '../src/runs/calibrate-machine.ts'

let dataDir: string
beforeEach(() => void (dataDir = mkdtempSync(join(tmpdir(), 'noprop-calibrate-'))))
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

/** A program that says in a file that it was started, and then does `rest`. */
function program(rest: string): string {
  const path = join(dataDir, 'calibrate.mjs')
  writeFileSync(path, `import { appendFileSync, existsSync } from 'node:fs'\nappendFileSync('${join(dataDir, 'starts')}', 'x')\n${rest}\n`)
  return path
}
const starts = () => (existsSync(join(dataDir, 'starts')) ? readFileSync(join(dataDir, 'starts'), 'utf8').length : 0)

test('a run ends the timing of the machine, which is done once it is idle again', async () => {
  const finished = join(dataDir, 'go-on')
  const calibrateEntry = program(`if (existsSync('${finished}')) console.log('{"quick":{}}')\nelse setInterval(() => {}, 1000)`)
  const log = { warn: vi.fn() }
  let idle = true
  const done = calibrateMachine({
    dataDir,
    calibrateEntry,
    log,
    signal: new AbortController().signal,
    isIdle: () => idle,
    pauseMs: 20,
  })
  await vi.waitFor(() => expect(starts()).toBe(1), 10_000)
  idle = false
  writeFileSync(finished, '')
  // longer than a pause: while the machine is busy nothing is started
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(starts()).toBe(1)

  idle = true
  await done
  expect(starts()).toBe(2)
  expect(JSON.parse(readFileSync(join(dataDir, 'calibration.json'), 'utf8'))).toEqual({ quick: {} })
  expect(log.warn).not.toHaveBeenCalled()
})

test('a program that fails is reported, and not tried again', async () => {
  const calibrateEntry = program('process.exit(1)')
  const log = { warn: vi.fn() }
  await calibrateMachine({ dataDir, calibrateEntry, log, signal: new AbortController().signal, isIdle: () => true, pauseMs: 1 })
  expect(starts()).toBe(1)
  expect(log.warn).toHaveBeenCalledOnce()
})

test('a server that ends while its machine is timed is not held up', async () => {
  const closing = new AbortController()
  const log = { warn: vi.fn() }
  const calibrateEntry = program('setInterval(() => {}, 1000)')
  const done = calibrateMachine({ dataDir, calibrateEntry, log, signal: closing.signal, isIdle: () => true })
  await vi.waitFor(() => expect(starts()).toBe(1), 10_000)
  closing.abort()
  await done
  expect(log.warn).not.toHaveBeenCalled()
})
