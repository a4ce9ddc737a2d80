import type { DatasetName, Preset } from '@noprop/contract'
import { datasetCatalog } from '@noprop/datasets'
import type { Config } from '../config.ts'
import type { PrismaClient } from '../generated/prisma/client.ts'
import { type Calibration, estimateRun, readCalibration, scaleCost } from './estimate-run.ts'
import { MeasuredRuns } from './measured-runs.ts'
import { type PresetDefinition, presets } from './presets.ts'

type Estimate = Preset['estimates'][number]

/** The presets, each with an estimate for every dataset: from a run that this machine has done, else from its calibration. */
export async function listPresets({ dataDir, trainers }: Pick<Config, 'dataDir' | 'trainers'>, db: PrismaClient): Promise<Preset[]> {
  const sources = { calibration: await readCalibration(dataDir), measured: await MeasuredRuns.read(db), trainers }
  const items: Preset[] = []
  for (const { config, datasets, ...preset } of presets) {
    const estimates: Estimate[] = []
    for (const dataset of Object.keys(datasetCatalog) as DatasetName[])
      estimates.push(await estimate({ config, datasets, ...preset }, dataset, sources))
    items.push({ ...preset, datasets: [...datasets], config: { ...config, channels: [...config.channels] }, estimates })
  }
  return items
}

interface Sources {
  readonly calibration: Calibration
  readonly measured: MeasuredRuns
  readonly trainers: number
}

async function estimate(preset: PresetDefinition, dataset: DatasetName, { calibration, measured, trainers }: Sources): Promise<Estimate> {
  const calibrated = calibration[preset.name]
  const known = await measured.costOf(preset, dataset)
  const cost = known ?? (calibrated && scaleCost(calibrated, dataset))
  if (!cost) return { dataset, seconds: null, basis: 'not measured on this machine yet' }
  const seconds = (calibrated?.seconds_to_start ?? 0) + estimateRun(preset.config, datasetCatalog[dataset], cost, trainers)
  const source = known ? 'the newest run of this preset here' : 'a training step timed on this machine'
  return { dataset, seconds: Math.ceil(seconds), basis: `${source}, ${trainers} ${trainers === 1 ? 'trainer' : 'trainers'}` }
}
