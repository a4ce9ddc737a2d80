import { ModelConfigError } from './errors.ts'
import type { ModelConfig } from './model.ts'

const knownMethods: readonly string[] = ['noprop-dt'] satisfies ModelConfig['method'][]
const knownEmbeddings: readonly string[] = ['one-hot'] satisfies ModelConfig['embedding'][]

/** @throws {ModelConfigError} naming the first field that is out of range; the limits are those of arithmetic, not of taste */
export function validateModelConfig(config: ModelConfig): void {
  if (!knownMethods.includes(config.method)) throw new ModelConfigError('method', `unknown: ${String(config.method)}`)
  if (!knownEmbeddings.includes(config.embedding)) throw new ModelConfigError('embedding', `unknown: ${String(config.embedding)}`)
  requireInteger('blocks', config.blocks, 1)
  requireInteger('features', config.features, 2)
  requireInteger('noiseSamples', config.noiseSamples, 1)
  requireInteger('numClasses', config.numClasses, 2)
  requireTriple('channels', config.channels)
  requireTriple('imageShape', config.imageShape)
  if (!(config.dropout >= 0 && config.dropout <= 0.99)) throw new ModelConfigError('dropout', 'must be from 0 to 0.99')
  if (!(config.eta > 0 && Number.isFinite(config.eta))) throw new ModelConfigError('eta', 'must be a positive number')
  if (!(config.weightDecay >= 0 && Number.isFinite(config.weightDecay))) throw new ModelConfigError('weightDecay', 'must not be negative')
}

function requireInteger(field: string, value: number, minimum: number) {
  if (!Number.isSafeInteger(value) || value < minimum) throw new ModelConfigError(field, `must be a whole number of at least ${minimum}`)
}

function requireTriple(field: string, values: readonly number[]) {
  if (values.length !== 3) throw new ModelConfigError(field, 'must be three numbers')
  for (const value of values) requireInteger(field, value, 1)
}
