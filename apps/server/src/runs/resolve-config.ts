import type { RunConfig, RunConfigOverrides } from '@noprop/contract'
import type { FieldError } from '../api-error.ts'

export interface DatasetSizes {
  readonly title: string
  readonly trainExamples: number
  readonly testExamples: number
}

/** Preset ← overrides: every field decided. */
export function resolveConfig(preset: Readonly<RunConfig>, overrides: RunConfigOverrides | undefined): RunConfig {
  return { ...preset, ...overrides }
}

/** What no single field shows: whether the numbers fit the dataset and each other. One entry for each field at fault. */
export function checkConfig(config: RunConfig, dataset: DatasetSizes): FieldError[] {
  const errors: FieldError[] = []
  const refuse = (field: keyof RunConfig, detail: string) => void errors.push({ pointer: `/config/${field}`, detail })
  const available = dataset.trainExamples - config.validation_size

  if (available <= 0) {
    refuse(
      'validation_size',
      `validation_size is ${config.validation_size}, but ${dataset.title} has only ${dataset.trainExamples} training images`,
    )
  } else if (config.train_limit !== null && config.train_limit > available) {
    refuse(
      'train_limit',
      `train_limit is ${config.train_limit}, but ${dataset.title} has ${available} training images left after ${config.validation_size} for validation`,
    )
  } else if (config.batch_size > (config.train_limit ?? available)) {
    refuse('batch_size', `batch_size is ${config.batch_size}, but there are only ${config.train_limit ?? available} images to train on`)
  }
  if (config.test_limit !== null && config.test_limit > dataset.testExamples) {
    refuse('test_limit', `test_limit is ${config.test_limit}, but ${dataset.title} has only ${dataset.testExamples} test images`)
  }
  return errors
}
