import {
  type BackendValues,
  type DataId,
  type DataType,
  engine,
  KernelBackend,
  type NamedTensorInfoMap,
  registerKernel,
  type TensorInfo,
} from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import { DataDependentError, EngineError, ProgramError, UnsupportedOpError } from '../errors.ts'
import { type ConstantData, constantData, type Graph, type Value } from '../graph/graph.ts'
import { checkDtypes } from '../lowerings/accepted-dtypes.ts'
import { lowerings } from '../lowerings/lowerings.ts'
import type { Dtype } from '../program.ts'
import type { KernelInputs, Lowering } from './lowering.ts'

export const traceBackendName = 'noprop-trace'

/** A TensorFlow.js backend that computes nothing: its kernels append nodes to a graph, its tensors stand for values of that graph. */
export class TraceBackend extends KernelBackend {
  readonly graph: Graph
  readonly #values = new WeakMap<DataId, Value>()

  constructor(graph: Graph) {
    super()
    this.graph = graph
  }

  tensorInfo(value: Value): TensorInfo {
    // a fresh id each time, because TensorFlow.js disposes by id
    const dataId: DataId = {}
    this.#values.set(dataId, value)
    return { dataId, shape: [...value.shape], dtype: value.dtype as Dtype }
  }

  /** The value that a tensor stands for. One that was made outside the program becomes a constant. */
  toValue({ dataId, shape, dtype }: TensorInfo): Value {
    const known = this.#values.get(dataId)
    return known ?? this.#constant(engine().readSync(dataId), shape, dtype)
  }

  override write(values: BackendValues, shape: number[], dtype: DataType): DataId {
    return this.tensorInfo(this.#constant(values, shape, dtype)).dataId
  }

  override readSync(dataId: DataId): BackendValues {
    const value = this.#values.get(dataId)
    if (value?.constant === undefined) throw new DataDependentError()
    return constantData(value).slice() as BackendValues
  }

  override async read(dataId: DataId): Promise<BackendValues> {
    return this.readSync(dataId)
  }

  #constant(values: BackendValues, shape: readonly number[], dtype: DataType): Value {
    const copy: Record<string, () => ConstantData> = {
      float32: () => Float32Array.from(values as Float32Array),
      int32: () => Int32Array.from(values as Int32Array),
      bool: () => Uint8Array.from(values as Uint8Array),
    }
    const make = copy[dtype]
    if (!make) throw new ProgramError(`a program cannot use ${dtype} tensors`)
    return this.graph.constant(make(), [...shape], dtype as Dtype)
  }

  override disposeData(): boolean {
    return true
  }
  override refCount(): number {
    return 1
  }
  override incRef(): void {}
  override numDataIds(): number {
    return 0
  }
  override timerAvailable(): boolean {
    return false
  }
  override memory() {
    return { unreliable: true }
  }
  override floatPrecision(): 32 {
    return 32
  }
  override epsilon(): number {
    return 1e-7
  }
  override dispose(): void {}
}

/** Registers every kernel of TensorFlow.js: those that have a lowering, and an error that names the op for those that have none. */
export function registerTraceKernels(): void {
  for (const [key, name] of Object.entries(tf)) {
    if (key === name && !Object.hasOwn(lowerings, name)) {
      register(name, () => {
        throw new UnsupportedOpError(name)
      })
    }
  }
  for (const [name, lowering] of Object.entries(lowerings)) register(name, lowering)
}

function register(kernelName: string, lowering: Lowering): void {
  registerKernel({
    kernelName,
    backendName: traceBackendName,
    kernelFunc({ inputs, attrs, backend }) {
      const trace = backend as TraceBackend
      const results = callLowering(kernelName, lowering, trace.graph, inputValues(inputs, trace), attrs)
      return Array.isArray(results) ? results.map((value) => trace.tensorInfo(value)) : trace.tensorInfo(results as Value)
    },
  })
}

function inputValues(inputs: NamedTensorInfoMap, trace: TraceBackend): KernelInputs {
  const values: Record<string, Value> = {}
  for (const [name, info] of Object.entries(inputs)) if (info) values[name] = trace.toValue(info)
  return values
}

function callLowering(name: string, lowering: Lowering, graph: Graph, inputs: KernelInputs, attrs: unknown): Value | readonly Value[] {
  checkDtypes(name, inputs)
  try {
    return lowering(graph, inputs, attrs as never)
  } catch (error) {
    if (error instanceof EngineError) throw error
    throw new ProgramError(`${name} cannot be compiled: ${(error as Error).message}`, { cause: error })
  }
}
