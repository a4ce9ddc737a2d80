import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunConfig } from '@noprop/contract'
import Type from 'typebox'
import Value from 'typebox/value'
import type { DatasetSizes } from './resolve-config.ts'

/** What was measured on this machine for the configuration of one preset. Times are those of one trainer process. */
export const PresetCalibration = Type.Object({
  seconds_per_step: Type.Number({ exclusiveMinimum: 0, description: 'one optimizer step of one block at the batch size of the preset' }),
  seconds_per_evaluated_image: Type.Number({ exclusiveMinimum: 0, description: 'one image through the whole chain, both ways' }),
  seconds_to_start: Type.Number({
    minimum: 0,
    description: 'loading the device and compiling the programs of a run, once in each trainer',
  }),
})
export type PresetCalibration = Type.Static<typeof PresetCalibration>

/** `<data dir>/calibration.json`: by name of the preset. */
const Calibration = Type.Record(Type.String(), PresetCalibration)
export type Calibration = Type.Static<typeof Calibration>

/** The calibration of this machine, empty where none was made. */
export async function readCalibration(dataDir: string): Promise<Calibration> {
  try {
    const value: unknown = JSON.parse(await readFile(join(dataDir, 'calibration.json'), 'utf8'))
    return Value.Check(Calibration, value) ? value : {}
  } catch {
    return {}
  }
}

/** Seconds that a run will take, from the measured cost of a step and of an evaluated image; blocks train side by side, one in each trainer. */
export function estimateRun(config: RunConfig, dataset: DatasetSizes, calibration: PresetCalibration, trainers: number): number {
  const trainExamples = Math.min(config.train_limit ?? Infinity, dataset.trainExamples - config.validation_size)
  const stepsPerEpoch = Math.floor(trainExamples / config.batch_size)
  // each epoch, the busiest trainer has this many blocks one after the other
  const blocksInTurn = Math.ceil((config.blocks * config.epochs) / trainers)
  const training = blocksInTurn * stepsPerEpoch * calibration.seconds_per_step

  const testExamples = Math.min(config.test_limit ?? Infinity, dataset.testExamples)
  const evaluations = Math.floor(config.epochs / config.evaluation_interval)
  const examples =
    config.validation_size > 0
      ? evaluations * config.validation_size + testExamples
      : Math.ceil(config.epochs / config.evaluation_interval) * testExamples
  const evaluation = (examples * calibration.seconds_per_evaluated_image) / trainers
  return calibration.seconds_to_start + training + evaluation
}
