import * as tf from '@tensorflow/tfjs-core'
import { checkProgram, checkReturnedState } from '../check-program.ts'
import { DisposedError, StateNotWrittenError } from '../errors.ts'
import { allocate, checkTensors, elementCount, toHostTensor } from '../host-tensors.ts'
import type { CompiledProgram, CompileOptions, Device, Dtype, HostTensors, Program, TensorSpec, TensorSpecs } from '../program.ts'

/** A device that calls the program at every run, on a backend of TensorFlow.js. */
export function openEagerDevice(name: Device['name'], backendName: string, detail: string): Device {
  let disposed = false
  return {
    name,
    detail,
    async compile(program, options = {}) {
      if (disposed) throw new DisposedError('device')
      return new EagerProgram(program, options, backendName)
    },
    dispose() {
      disposed = true
    },
  }
}

/** Every method works in one go, without awaiting, so that several devices can share TensorFlow.js' one global backend. */
class EagerProgram implements CompiledProgram {
  readonly outputs: TensorSpecs
  readonly #program: Program
  readonly #stateSpecs: TensorSpecs
  readonly #backendName: string
  #constants: tf.NamedTensorMap
  #state: tf.NamedTensorMap | undefined
  #disposed = false

  constructor(program: Program, { constants = {} }: CompileOptions, backendName: string) {
    this.#program = program
    this.#backendName = backendName
    const specs = checkProgram(program, constants)
    this.#stateSpecs = specs.state
    this.#constants = this.#onBackend(() => toTensors(specs.constants, constants))
    try {
      this.outputs = this.#onBackend(() => this.#outputSpecs())
    } catch (error) {
      this.dispose()
      throw error
    }
    if (Object.keys(specs.state).length === 0) this.#state = {}
  }

  async run(inputs: HostTensors): Promise<HostTensors> {
    const state = this.#requireState()
    checkTensors('Input', this.#program.inputs, inputs)
    return this.#onBackend(() => {
      const result = this.#call(state, inputs)
      const outputs = readAll(result.outputs)
      tf.dispose(result.outputs)
      for (const [name, tensor] of Object.entries(result.state)) {
        state[name]!.dispose()
        state[name] = tensor
      }
      return outputs
    })
  }

  async readState(): Promise<HostTensors> {
    const state = this.#requireState()
    return this.#onBackend(() => readAll(state))
  }

  async writeState(values: HostTensors): Promise<void> {
    this.#requireAlive()
    checkTensors('State', this.#stateSpecs, values)
    this.#onBackend(() => {
      const written = toTensors(this.#stateSpecs, values)
      if (this.#state) tf.dispose(this.#state)
      this.#state = written
    })
  }

  dispose(): void {
    this.#disposed = true
    tf.dispose(this.#constants)
    if (this.#state) tf.dispose(this.#state)
    this.#constants = {}
    this.#state = undefined
  }

  /** New state and outputs, which the caller disposes. */
  #call(state: tf.NamedTensorMap, inputs: HostTensors): { state: tf.NamedTensorMap; outputs: tf.NamedTensorMap } {
    return tf.tidy(() => {
      const result = this.#program.run({ ...this.#constants, ...state }, toTensors(this.#program.inputs, inputs))
      // clones, because a program may return a tensor twice, or one that it was given
      const changed = Object.entries(result.state).filter(([name, tensor]) => tensor !== state[name] && tensor !== this.#constants[name])
      for (const [name, tensor] of changed) checkReturnedState(name, specOf(tensor), this.#stateSpecs)
      return { state: cloneAll(Object.fromEntries(changed)), outputs: cloneAll(result.outputs) }
    })
  }

  #outputSpecs(): TensorSpecs {
    let specs: TensorSpecs = {}
    tf.tidy(() => {
      const { outputs } = this.#call(toTensors(this.#stateSpecs, zeros(this.#stateSpecs)), zeros(this.#program.inputs))
      specs = mapValues(outputs, specOf)
    })
    return specs
  }

  #onBackend<T>(f: () => T): T {
    const previous = tf.getBackend()
    if (previous === this.#backendName) return f()
    // synchronous, because these backends are initialised
    void tf.setBackend(this.#backendName)
    try {
      return f()
    } finally {
      if (previous) void tf.setBackend(previous)
    }
  }

  #requireAlive(): void {
    if (this.#disposed) throw new DisposedError('program')
  }

  #requireState(): tf.NamedTensorMap {
    this.#requireAlive()
    if (!this.#state) throw new StateNotWrittenError()
    return this.#state
  }
}

function specOf({ shape, dtype }: tf.Tensor): TensorSpec {
  return { shape, dtype: dtype as Dtype }
}

/** Copies: the plain backend would go on using the memory of the caller. */
function toTensors(specs: TensorSpecs, values: HostTensors): tf.NamedTensorMap {
  return Object.fromEntries(
    Object.entries(specs).map(([name, { shape, dtype }]) => [name, tf.tensor(values[name]!.slice(), [...shape], dtype)]),
  )
}

function readAll(tensors: tf.NamedTensorMap): HostTensors {
  return mapValues(tensors, (tensor) => toHostTensor(tensor.dtype as Dtype, tensor.dataSync<'float32'>()))
}

function cloneAll(tensors: tf.NamedTensorMap): tf.NamedTensorMap {
  return mapValues(tensors, (tensor) => tf.clone(tensor))
}

function zeros(specs: TensorSpecs): HostTensors {
  return mapValues(specs, ({ shape, dtype }) => allocate(dtype, elementCount(shape)))
}

function mapValues<T, U>(object: Readonly<Record<string, T>>, f: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, f(value)]))
}
