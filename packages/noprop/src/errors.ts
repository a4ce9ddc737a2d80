/** @file Errors of this package: one base class, a stable `code` each, the facts as fields. */

export abstract class NoPropError extends Error {
  /** stable; callers may rely on it */
  abstract readonly code: string

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** Thrown when a model cannot be built from its configuration. */
export class ModelConfigError extends NoPropError {
  readonly code = 'MODEL_CONFIG'
  readonly field: string
  constructor(field: string, reason: string) {
    super(`${field}: ${reason}`)
    this.field = field
  }
}

/** Thrown when a timestep is outside the range of its function. */
export class TimestepOutOfRangeError extends NoPropError {
  readonly code = 'TIMESTEP_OUT_OF_RANGE'
  readonly timestep: number
  constructor(timestep: number, first: number, last: number) {
    super(`Timestep ${timestep} is outside ${first}…${last}`)
    this.timestep = timestep
  }
}

/** Thrown when arrays handed in do not fit the model. */
export class ShapeError extends NoPropError {
  readonly code = 'SHAPE'
  constructor(what: string, expected: number | string, found: number | string) {
    super(`${what}: expected ${expected}, found ${found}`)
  }
}

/** Thrown when the bytes of a checkpoint are not a well-formed safetensors file. */
export class SafetensorsError extends NoPropError {
  readonly code = 'SAFETENSORS'
}

/** Thrown when a well-formed safetensors file is not a checkpoint of this product. */
export class CheckpointFormatError extends NoPropError {
  readonly code = 'CHECKPOINT_FORMAT'
}

/** Thrown when a checkpoint was written by a newer version. */
export class CheckpointVersionError extends NoPropError {
  readonly code = 'CHECKPOINT_VERSION'
  readonly found: number
  constructor(found: number, supported: number, options?: ErrorOptions) {
    super(`Checkpoint format ${found} is newer than ${supported}, the newest this build reads`, options)
    this.found = found
  }
}
