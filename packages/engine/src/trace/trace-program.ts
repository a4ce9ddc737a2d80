import * as tf from '@tensorflow/tfjs-core'
import { ProgramError } from '../errors.ts'
import { Graph, type Value } from '../graph/graph.ts'
import { checkProgram, checkReturnedState } from '../check-program.ts'
import type { Dtype, HostTensors, Program, TensorSpecs } from '../program.ts'
import { registerTraceKernels, TraceBackend, traceBackendName } from './trace-backend.ts'

export interface TracedProgram {
  readonly graph: Graph
  /** State that is fed: all but the constants. */
  readonly state: ReadonlyMap<string, Value>
  readonly inputs: ReadonlyMap<string, Value>
  /** State that a run changes. */
  readonly nextState: ReadonlyMap<string, Value>
  readonly outputs: ReadonlyMap<string, Value>
}

export interface TraceOptions {
  readonly constants?: HostTensors | undefined
  /** of the device that will run the graph; without it, the graph consists of standard ONNX operators alone */
  readonly channelBlock?: number | undefined
}

/**
 * Calls a program once, on symbolic tensors, and returns what it does as a graph.
 *
 * @throws {EngineError} of its kind when the program cannot be expressed; other errors of the program pass through
 */
export function traceProgram(program: Program, { constants = {}, channelBlock }: TraceOptions = {}): TracedProgram {
  const specs = checkProgram(program, constants)
  const graph = new Graph(channelBlock)
  const declare = (specs: TensorSpecs) => new Map(Object.entries(specs).map(([name, spec]) => [name, graph.input(spec)]))
  const inputs = declare(program.inputs)
  const fed = declare(specs.state)
  const baked = Object.entries(specs.constants).map(([name, { shape, dtype }]) => {
    return [name, graph.constant(constants[name]!.slice(), shape, dtype)] as const
  })
  const state = new Map([...fed, ...baked])

  const backend = new TraceBackend(graph)
  const results = withTraceBackend(backend, () => callProgram(program, backend, state, inputs))
  const nextState = new Map([...results.state].filter(([name, value]) => value !== state.get(name)))
  for (const [name, { shape, dtype }] of nextState) checkReturnedState(name, { shape, dtype: dtype as Dtype }, specs.state)
  return { graph, state: fed, inputs, nextState, outputs: results.outputs }
}

function callProgram(program: Program, backend: TraceBackend, state: ReadonlyMap<string, Value>, inputs: ReadonlyMap<string, Value>) {
  let results: { state: Map<string, Value>; outputs: Map<string, Value> } | undefined
  tf.tidy(() => {
    const { state: next, outputs } = program.run(toTensors(backend, state), toTensors(backend, inputs))
    results = { state: toValues(backend, next), outputs: toValues(backend, outputs) }
  })
  return results!
}

function toTensors(backend: TraceBackend, values: ReadonlyMap<string, Value>): tf.NamedTensorMap {
  return Object.fromEntries(
    [...values].map(([name, value]) => [name, tf.engine().makeTensorFromTensorInfo(backend.tensorInfo(value), backend)]),
  )
}

function toValues(backend: TraceBackend, tensors: tf.NamedTensorMap): Map<string, Value> {
  return new Map(
    Object.entries(tensors).map(([name, tensor]) => {
      if (!(tensor instanceof tf.Tensor)) throw new ProgramError(`Result ${JSON.stringify(name)} is not a tensor`)
      return [name, backend.toValue(tensor)]
    }),
  )
}

let registered = false

/** Runs `f` with the trace backend in use; whatever happens, TensorFlow.js has its former backend afterwards. */
function withTraceBackend<T>(backend: TraceBackend, f: () => T): T {
  if (!registered) registerTraceKernels()
  registered = true
  const previous = tf.getBackend()
  if (previous === traceBackendName) throw new ProgramError('A program cannot compile another one while it is compiled itself')
  tf.registerBackend(traceBackendName, () => backend, 0)
  try {
    // synchronous, because this backend is: https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/engine.ts
    void tf.setBackend(traceBackendName)
    return f()
  } finally {
    tf.removeBackend(traceBackendName)
    if (previous) void tf.setBackend(previous)
  }
}
