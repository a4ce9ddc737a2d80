import { networkOf, type RunConfig } from '@noprop/contract'
import type { DatasetFacts } from '@noprop/datasets'
import { buildModel, ModelConfigError } from '@noprop/noprop'
import type { FieldError } from '../api-error.ts'

/** Whether there is a network of this configuration for the images of a dataset: no entry, or one for the field at fault. */
export function checkNetwork(config: RunConfig, { imageShape, classes }: Pick<DatasetFacts, 'imageShape' | 'classes'>): FieldError[] {
  try {
    buildModel(networkOf(config, { imageShape, numClasses: classes.length }))
    return []
  } catch (error) {
    if (!(error instanceof ModelConfigError)) throw error
    const field = error.field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    return [{ pointer: `/config/${field}`, detail: error.message.replace(error.field, field) }]
  }
}
