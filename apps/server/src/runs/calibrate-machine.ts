import { execFile } from 'node:child_process'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { datasetCatalog } from '@noprop/datasets'
import type { FastifyBaseLogger } from 'fastify'
import { readCalibration, scaleCost } from './estimate-run.ts'
import { timedPresets } from './presets.ts'

interface CalibrateOptions {
  readonly dataDir: string
  readonly calibrateEntry: string
  readonly log: FastifyBaseLogger
  readonly signal: AbortSignal
}

/**
 * Times the training step of the presets that are to be timed once on this machine, in a process of its own, so that the dashboard can say what a run takes.
 * Does nothing where `calibration.json` already holds them, for every dataset. A failure costs only the estimates: it is logged, never thrown.
 */
export async function calibrateMachine({ dataDir, calibrateEntry, log, signal }: CalibrateOptions): Promise<void> {
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
