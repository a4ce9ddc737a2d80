import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunConfig } from '@noprop/contract'
import Type from 'typebox'
import Value from 'typebox/value'
import type { DatasetSizes } from './resolve-config.ts'

/** What the parts of a run cost on this machine. Times are those of one trainer process. */
export const RunCost = Type.Object({
  seconds_per_step: Type.Number({ exclusiveMinimum: 0, description: 'one optimizer step of one unit at the batch size of the preset' }),
  seconds_per_evaluated_image: Type.Number({ exclusiveMinimum: 0, description: 'one image through the whole chain, both ways' }),
  units: Type.Integer({
    minimum: 1,
    description: 'what a run trains on its own, without the shared head, whose steps cost next to nothing',
  }),
  in_turn: Type.Boolean({ description: 'the units share weights, so that only one trainer at a time has something to do' }),
})
export type RunCost = Type.Static<typeof RunCost>

/** What was timed for the configuration of one preset, on images of one dataset. */
export const PresetCalibration = Type.Object({
  ...RunCost.properties,
  seconds_to_start: Type.Number({
    minimum: 0,
    description: 'loading the device and compiling the programs of a run, once in each trainer',
  }),
  relative_cost: Type.Record(Type.String(), Type.Number({ exclusiveMinimum: 0 }), {
    description: 'operations of the forward pass for images of each dataset, as a multiple of those that were timed',
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

/** The cost on images of a dataset; null where the dataset was not known when it was timed. */
export function scaleCost(calibration: PresetCalibration, dataset: string): RunCost | null {
  const factor = calibration.relative_cost[dataset]
  if (!factor) return null
  const { seconds_per_step, seconds_per_evaluated_image } = calibration
  return { ...calibration, seconds_per_step: factor * seconds_per_step, seconds_per_evaluated_image: factor * seconds_per_evaluated_image }
}

/** Seconds that a run will take, without its start, from the measured cost of a step and of an evaluated image; units train side by side, one in each trainer, or take turns. */
export function estimateRun(config: RunConfig, dataset: DatasetSizes, cost: RunCost, trainers: number): number {
  const trainExamples = Math.min(config.train_limit ?? Infinity, dataset.trainExamples - config.validation_size)
  const stepsPerEpoch = Math.floor(trainExamples / config.batch_size)
  // of the epochs of all units, the busiest trainer has this many one after the other
  const sideBySide = cost.in_turn ? 1 : Math.min(trainers, cost.units)
  const epochsInRow = Math.ceil((cost.units * config.epochs) / sideBySide)
  const training = epochsInRow * stepsPerEpoch * cost.seconds_per_step

  const testExamples = Math.min(config.test_limit ?? Infinity, dataset.testExamples)
  const evaluations = Math.floor(config.epochs / config.evaluation_interval)
  const examples =
    config.validation_size > 0
      ? evaluations * config.validation_size + testExamples
      : Math.ceil(config.epochs / config.evaluation_interval) * testExamples
  const evaluation = (examples * cost.seconds_per_evaluated_image) / trainers
  return training + evaluation
}
