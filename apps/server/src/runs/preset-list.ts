import type { DatasetName, Preset } from '@noprop/contract'
import { datasetCatalog } from '@noprop/datasets'
import type { Config } from '../config.ts'
import { estimateRun, readCalibration } from './estimate-run.ts'
import { presets } from './presets.ts'

/** The presets, each with an estimate for every dataset where this machine has been calibrated. */
export async function listPresets({ dataDir, trainers }: Pick<Config, 'dataDir' | 'trainers'>): Promise<Preset[]> {
  const calibration = await readCalibration(dataDir)
  return presets.map(({ name, title, description, config }) => {
    const measured = calibration[name]
    const basis = measured
      ? `a training step of one block measured on this machine, ${trainers} ${trainers === 1 ? 'trainer' : 'trainers'}`
      : 'not measured on this machine yet'
    const estimates = (Object.keys(datasetCatalog) as DatasetName[]).map((dataset) => ({
      dataset,
      seconds: measured ? Math.ceil(estimateRun(config, datasetCatalog[dataset], measured, trainers)) : null,
      basis,
    }))
    return { name, title, description, config: { ...config, channels: [...config.channels] }, estimates }
  })
}
