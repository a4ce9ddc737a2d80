import type { InferenceSession, Tensor } from 'onnxruntime-common'
import { DisposedError, StateNotWrittenError } from '../errors.ts'
import type { Value } from '../graph/graph.ts'
import { checkTensors } from '../host-tensors.ts'
import { oneAtATime } from '../one-at-a-time.ts'
import type { CompiledProgram, CompileOptions, Dtype, HostTensor, HostTensors, Program, TensorSpec, TensorSpecs } from '../program.ts'
import { traceProgram } from '../trace/trace-program.ts'
import { serializeGraph } from './serialize-graph.ts'
import { createSession, toOnnxTensor } from './session.ts'

const inputName = (name: string) => `input/${name}`
const stateName = (name: string) => `state/${name}`
const nextName = (name: string) => `next/${name}`
const outputName = (name: string) => `output/${name}`

export interface OnnxTarget {
  readonly threads: number
  readonly channelBlock: number | undefined
}

/** Traces a program once and compiles it for ONNX Runtime. */
export async function compileForOnnx(
  program: Program,
  options: CompileOptions,
  { threads, channelBlock }: OnnxTarget,
): Promise<CompiledProgram> {
  const { graph, inputs, state, nextState, outputs } = traceProgram(program, { constants: options.constants, channelBlock })
  const model = serializeGraph(
    graph,
    new Map([...rename(inputs, inputName), ...rename(state, stateName)]),
    new Map([...rename(nextState, nextName), ...rename(outputs, outputName)]),
  )
  const session = await createSession(model, threads)
  return new OnnxProgram(session, {
    inputs: specsOf(inputs),
    state: specsOf(state),
    changed: [...nextState.keys()],
    outputs: specsOf(outputs),
  })
}

interface Signature {
  readonly inputs: TensorSpecs
  readonly state: TensorSpecs
  /** entries of the state that a run changes */
  readonly changed: readonly string[]
  readonly outputs: TensorSpecs
}

/** The state is fed to a run and taken from its results as ONNX Runtime's tensors: no copy is made of it here. */
class OnnxProgram implements CompiledProgram {
  readonly outputs: TensorSpecs
  readonly #session: InferenceSession
  readonly #signature: Signature
  readonly #queue = oneAtATime()
  #state: Record<string, Tensor> | undefined
  #disposed = false

  constructor(session: InferenceSession, signature: Signature) {
    this.#session = session
    this.#signature = signature
    this.outputs = signature.outputs
    if (Object.keys(signature.state).length === 0) this.#state = {}
  }

  run(inputs: HostTensors): Promise<HostTensors> {
    return this.#queue(async () => {
      const state = this.#requireState()
      checkTensors('Input', this.#signature.inputs, inputs)
      const feeds: Record<string, Tensor> = {}
      for (const [name, spec] of Object.entries(this.#signature.inputs)) feeds[inputName(name)] = toOnnxTensor(spec, inputs[name]!)
      for (const [name, tensor] of Object.entries(state)) feeds[stateName(name)] = tensor
      const results = await this.#session.run(feeds)
      for (const name of this.#signature.changed) state[name] = results[nextName(name)]!
      return Object.fromEntries(Object.keys(this.outputs).map((name) => [name, results[outputName(name)]!.data as HostTensor]))
    })
  }

  readState(): Promise<HostTensors> {
    return this.#queue(async () => {
      const state = this.#requireState()
      return Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, (tensor.data as HostTensor).slice()]))
    })
  }

  async writeState(values: HostTensors): Promise<void> {
    this.#requireAlive()
    const specs = this.#signature.state
    checkTensors('State', specs, values)
    // copied before the calls in front are done: until then the caller may change its arrays
    const state = Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, toOnnxTensor(spec, values[name]!.slice())]))
    await this.#queue(async () => {
      this.#requireAlive()
      this.#state = state
    })
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#state = undefined
    void this.#queue(() => this.#session.release())
  }

  #requireAlive(): void {
    if (this.#disposed) throw new DisposedError('program')
  }

  #requireState(): Record<string, Tensor> {
    this.#requireAlive()
    if (!this.#state) throw new StateNotWrittenError()
    return this.#state
  }
}

function rename(values: ReadonlyMap<string, Value>, toName: (name: string) => string): [string, Value][] {
  return [...values].map(([name, value]) => [toName(name), value])
}

function specsOf(values: ReadonlyMap<string, Value>): TensorSpecs {
  return Object.fromEntries([...values].map(([name, { shape, dtype }]) => [name, { shape, dtype: dtype as Dtype } satisfies TensorSpec]))
}
