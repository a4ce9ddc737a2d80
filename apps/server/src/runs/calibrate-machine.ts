import { execFile } from 'node:child_process'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { datasetCatalog } from '@noprop/datasets'
import type { FastifyBaseLogger } from 'fastify'
import { readCalibration, scaleCost } from './estimate-run.ts'
import { timedPresets } from './presets.ts'

interface CalibrateOptions {
  readonly dataDir: string
  readonly calibrateEntry: string
  readonly log: Pick<FastifyBaseLogger, 'warn'>
  /** the end of the server */
  readonly signal: AbortSignal
}

interface WhenIdle extends CalibrateOptions {
  /** whether no run has, or waits for, a trainer */
  isIdle(): boolean
  /** before it looks again whether a machine that was busy is idle */
  readonly pauseMs?: number
}

/** How often it looks whether a run has come. */
const watchIntervalMs = 100

/**
 * Times the training step of the presets that are to be timed once on this machine, in a process of its own, so that the dashboard can say what a run takes.
 * Does nothing where `calibration.json` already holds them, for every dataset. A machine that is busy with a run would be timed too slow, and would be the slower for
 * it: a run ends the process, and the machine is timed once it is idle again. A failure costs only the estimates: it is logged, never thrown.
 */
export async function calibrateMachine({ isIdle, pauseMs = 60_000, ...options }: WhenIdle): Promise<void> {
  const { signal } = options
  while (!signal.aborted) {
    if (isIdle() && (await calibrateUntilBusy(isIdle, options))) return
    await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => {})
  }
}

/** Answers whether that is over: false where a run came in between. */
async function calibrateUntilBusy(isIdle: () => boolean, options: CalibrateOptions): Promise<boolean> {
  const busy = new AbortController()
  const watch = setInterval(() => {
    if (!isIdle()) busy.abort()
  }, watchIntervalMs).unref()
  try {
    await calibrate({ ...options, signal: AbortSignal.any([options.signal, busy.signal]) })
    return !busy.signal.aborted
  } finally {
    clearInterval(watch)
  }
}

async function calibrate({ dataDir, calibrateEntry, log, signal }: CalibrateOptions): Promise<void> {
  const known = await readCalibration(dataDir)
  const missing = timedPresets.filter(
    ({ name }) => !known[name] || !Object.keys(datasetCatalog).every((dataset) => scaleCost(known[name]!, dataset)),
  )
  if (missing.length === 0) return
  const configs = JSON.stringify(Object.fromEntries(missing.map(({ name, config }) => [name, config])))
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [calibrateEntry, configs], { signal, timeout: 120_000 })
    const path = join(dataDir, 'calibration.json')
    await writeFile(`${path}.tmp`, JSON.stringify({ ...known, ...(JSON.parse(stdout) as object) }, null, 2))
    await rename(`${path}.tmp`, path)
  } catch (error) {
    if (!signal.aborted) log.warn({ err: error }, 'could not time the training step on this machine; runs are shown without an estimate')
  }
}
