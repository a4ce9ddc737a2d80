/** Base of every error of this package; `code` is stable. */
export abstract class EngineError extends Error {
  abstract readonly code: string

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** Thrown when a program uses an op that the compiling device cannot express. */
export class UnsupportedOpError extends EngineError {
  readonly code = 'UNSUPPORTED_OP'
  readonly op: string
  constructor(op: string, detail?: string, options?: ErrorOptions) {
    super(`The op ${op}${detail ? ` with ${detail}` : ''} has no lowering: a compiled program cannot use it`, options)
    this.op = op
  }
}

/** Thrown when a program asks for the values of a tensor while it is being compiled. */
export class DataDependentError extends EngineError {
  readonly code = 'DATA_DEPENDENT'
  constructor() {
    super('A program cannot read the values of its tensors (data, dataSync, array, …): they are not known while it is compiled')
  }
}

/** Thrown when the results of a program do not fit what it declares. */
export class ProgramError extends EngineError {
  readonly code = 'PROGRAM'
}

/** Thrown when tensors handed to a device are missing, unknown, or of the wrong length or type. */
export class TensorsError extends EngineError {
  readonly code = 'TENSORS'
  /** name of the entry that is wrong */
  readonly entry: string
  constructor(what: string, entry: string, reason: string) {
    super(`${what} ${JSON.stringify(entry)}: ${reason}`)
    this.entry = entry
  }
}

/** Thrown when a device cannot be had on this machine. */
export class DeviceUnavailableError extends EngineError {
  readonly code = 'DEVICE_UNAVAILABLE'
  readonly device: string
  readonly reason: string
  constructor(device: string, reason: string, options?: ErrorOptions) {
    super(`Device ${JSON.stringify(device)} is not available: ${reason}`, options)
    this.device = device
    this.reason = reason
  }
}

/** Thrown when a program or device is used after `dispose`. */
export class DisposedError extends EngineError {
  readonly code = 'DISPOSED'
  constructor(what: string) {
    super(`This ${what} was disposed`)
  }
}

/** Thrown when a program runs, or its state is read, before a state was written. */
export class StateNotWrittenError extends EngineError {
  readonly code = 'STATE_NOT_WRITTEN'
  constructor() {
    super('This program keeps state, but none was written yet')
  }
}
