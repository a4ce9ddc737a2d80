import { networkOf, type Dataset, type RunConfig } from '@noprop/contract'
import type * as Noprop from '@noprop/noprop'
import type { FieldName } from './relevant-fields.ts'

/** Of the learning library, what is used here. */
type Library = Pick<typeof Noprop, 'buildModel' | 'ModelConfigError'>

interface ModelDescription {
  parameters: Noprop.Model['parameters']
  /** what is trained on its own, with the optimizer steps of one epoch */
  units: { block: number; stepsPerEpoch: number }[]
}

export type ModelCheck = { model: ModelDescription } | { error: { field: FieldName | undefined; message: string } }

/**
 * What the learning library makes of a configuration, or why it refuses it. Nothing is computed but sizes.
 *
 * @param batches mini-batches of an epoch
 */
export function describeModel(
  { buildModel, ModelConfigError }: Library,
  config: RunConfig,
  { dataset, batches }: { dataset: Pick<Dataset, 'image_shape' | 'classes'>; batches: number },
): ModelCheck {
  const [height, width, channels] = dataset.image_shape as [number, number, number]
  try {
    const model = buildModel(networkOf(config, { imageShape: [height, width, channels], numClasses: dataset.classes.length }))
    const units = model.units.map((unit) => ({ block: unit.block, stepsPerEpoch: unit.stepsPerEpoch(batches) }))
    return { model: { parameters: model.parameters, units } }
  } catch (error) {
    if (error instanceof ModelConfigError) return { error: refusal(error, config) }
    // Not a field's fault: the summary says so, and the server decides
    return {
      error: { field: undefined, message: `The network cannot be described: ${error instanceof Error ? error.message : String(error)}` },
    }
  }
}

/** The library names its fields in camelCase, and so does its sentence; here the label of the field stands beside it. */
function refusal({ field, message }: Noprop.ModelConfigError, config: RunConfig): { field: FieldName | undefined; message: string } {
  const name = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  const reason = message.startsWith(`${field}: `) ? message.slice(field.length + 2) : message
  const sentence = `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`
  return { field: name in config ? (name as FieldName) : undefined, message: sentence }
}
