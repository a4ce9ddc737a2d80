import type { DatasetName, Preset } from '@noprop/contract'
import { datasetCatalog } from '@noprop/datasets'
import type { Config } from '../config.ts'
import type { PrismaClient } from '../generated/prisma/client.ts'
import { estimateRun, type PresetCalibration, readCalibration } from './estimate-run.ts'
import { measuredCalibration } from './measured-runs.ts'
import { type PresetDefinition, presets } from './presets.ts'

/** The presets, each with an estimate for every dataset: from a run that this machine has done, else from its calibration. */
export async function listPresets({ dataDir, trainers }: Pick<Config, 'dataDir' | 'trainers'>, db: PrismaClient): Promise<Preset[]> {
  const calibration = await readCalibration(dataDir)
  const items: Preset[] = []
  for (const preset of presets) {
    const measured = await measuredCalibration(db, preset)
    const calibrated = calibration[preset.name]
    const cost = measured ? { seconds_to_start: calibrated?.seconds_to_start ?? 0, ...measured } : calibrated
    items.push(describe(preset, trainers, cost, measured ? 'the newest run of this preset here' : 'a training step timed on this machine'))
  }
  return items
}

function describe(
  { config, datasets, ...preset }: PresetDefinition,
  trainers: number,
  cost: PresetCalibration | undefined,
  source: string,
): Preset {
  const basis = cost ? `${source}, ${trainers} ${trainers === 1 ? 'trainer' : 'trainers'}` : 'not measured on this machine yet'
  const estimates = (Object.keys(datasetCatalog) as DatasetName[]).map((dataset) => ({
    dataset,
    seconds: cost ? Math.ceil(estimateRun(config, datasetCatalog[dataset], cost, trainers)) : null,
    basis,
  }))
  return { ...preset, datasets: [...datasets], config: { ...config, channels: [...config.channels] }, estimates }
}
