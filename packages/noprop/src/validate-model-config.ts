import { ModelConfigError } from './errors.ts'
import type { ModelConfig } from './model.ts'

const choices = {
  method: ['noprop-dt', 'noprop-ct', 'noprop-fm', 'backprop', 'adjoint', 'forward-forward'],
  embedding: ['one-hot', 'learned', 'prototype'],
  embeddingInit: ['auto', 'orthogonal', 'random', 'prototype'],
  head: ['softmax', 'radial'],
  optimizer: ['adamw', 'adam'],
  sampler: ['eq3', 'ode'],
} as const satisfies { [Field in keyof ModelConfig]?: readonly ModelConfig[Field][] }

/** @throws {ModelConfigError} naming the first field that is out of range; the limits are those of arithmetic, not of taste */
export function validateModelConfig(config: ModelConfig): void {
  for (const [field, known] of Object.entries(choices)) {
    const value: unknown = config[field as keyof typeof choices]
    if (!(known as readonly unknown[]).includes(value)) throw new ModelConfigError(field, `unknown: ${String(value)}`)
  }
  requireInteger('blocks', config.blocks, 1)
  requireInteger('features', config.features, 2)
  requireInteger('noiseSamples', config.noiseSamples, 1)
  requireInteger('numClasses', config.numClasses, 2)
  requireInteger('embeddingDim', config.embeddingDim, 1)
  requireInteger('inferenceSteps', config.inferenceSteps, 1)
  requireTriple('channels', config.channels)
  requireTriple('imageShape', config.imageShape)
  if (!(config.dropout >= 0 && config.dropout <= 0.99)) throw new ModelConfigError('dropout', 'must be from 0 to 0.99')
  if (!(config.eta > 0 && Number.isFinite(config.eta))) throw new ModelConfigError('eta', 'must be a positive number')
  if (!(config.radialSigma > 0 && Number.isFinite(config.radialSigma)))
    throw new ModelConfigError('radialSigma', 'must be a positive number')
  if (!(config.fmSigma >= 0 && Number.isFinite(config.fmSigma))) throw new ModelConfigError('fmSigma', 'must not be negative')
  if (!(config.emaDecay >= 0 && config.emaDecay < 1)) throw new ModelConfigError('emaDecay', 'must be at least 0 and less than 1')
  if (!(config.labelSmoothing >= 0 && config.labelSmoothing < 1))
    throw new ModelConfigError('labelSmoothing', 'must be at least 0 and less than 1')
  if (!(config.weightDecay >= 0 && Number.isFinite(config.weightDecay))) throw new ModelConfigError('weightDecay', 'must not be negative')
}

function requireInteger(field: string, value: number, minimum: number) {
  if (!Number.isSafeInteger(value) || value < minimum) throw new ModelConfigError(field, `must be a whole number of at least ${minimum}`)
}

function requireTriple(field: string, values: readonly number[]) {
  if (values.length !== 3) throw new ModelConfigError(field, 'must be three numbers')
  for (const value of values) requireInteger(field, value, 1)
}
