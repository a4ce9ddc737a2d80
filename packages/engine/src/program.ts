import type { NamedTensorMap } from '@tensorflow/tfjs-core'

export type Dtype = 'float32' | 'int32' | 'bool'

export interface TensorSpec {
  readonly shape: readonly number[]
  readonly dtype: Dtype
}
export type TensorSpecs = Readonly<Record<string, TensorSpec>>

/** Tensors outside the engine: flat, row-major; `bool` as bytes 0 and 1. */
export type HostTensor = Float32Array | Int32Array | Uint8Array
export type HostTensors = Record<string, HostTensor>

/**
 * A pure function of tensors, written with TensorFlow.js ops: (state, inputs) → (state', outputs).
 * It is called once, on symbolic tensors, by a device that compiles, and at every run by a device that executes eagerly,
 * so it may depend on nothing but its arguments: no variables, no data-dependent control flow, no `dataSync`.
 */
export interface Program {
  /** What the device keeps between runs. */
  readonly state: TensorSpecs
  readonly inputs: TensorSpecs
  /** Entries of `state` that the result leaves out stay as they are. */
  run(state: NamedTensorMap, inputs: NamedTensorMap): { state: NamedTensorMap; outputs: NamedTensorMap }
}

export interface CompileOptions {
  /**
   * State that will never change, such as the weights of a served model: the device may bake it into its plan. The caller keeps ownership.
   * These entries then no longer belong to the state that is written and read.
   */
  readonly constants?: HostTensors
}

export interface CompiledProgram {
  readonly outputs: TensorSpecs
  /**
   * One run. Inputs are copied or consumed before it resolves; the outputs belong to the caller. Calls take effect in their order.
   *
   * @throws {TensorsError} an input is missing, unknown, or of the wrong type or length
   * @throws {StateNotWrittenError} the program keeps state, and none was written yet
   */
  run(inputs: HostTensors): Promise<HostTensors>
  /** Copies the state out of the device, without the constants. */
  readState(): Promise<HostTensors>
  /** Copies a complete state, without the constants, into the device, as it is at the call. */
  writeState(state: HostTensors): Promise<void>
  dispose(): void
}

export interface Device {
  readonly name: 'cpu' | 'tensorflow' | 'reference'
  /** What executes, and its version, in words. */
  readonly detail: string
  /** @throws {EngineError} of its kind when the program cannot be compiled; errors of the program itself pass through */
  compile(program: Program, options?: CompileOptions): Promise<CompiledProgram>
  dispose(): void
}
