import { ProgramError } from '../errors.ts'
import type { HostTensors, Program } from '../program.ts'
import { traceProgram } from '../trace/trace-program.ts'
import { serializeGraph } from './serialize-graph.ts'

/**
 * A program as one ONNX model that any runtime can load. Inputs and outputs keep their names; state that is no constant becomes an input, and state
 * that the program changes an output with `next/` before its name.
 *
 * @param constants entries of the state to store in the model, such as trained weights
 * @throws {ProgramError} two of the names are equal, or the program cannot be expressed
 */
export function exportOnnx(program: Program, constants: HostTensors = {}): Uint8Array {
  const { graph, inputs, state, nextState, outputs } = traceProgram(program, { constants })
  const names = [...inputs.keys(), ...state.keys(), ...outputs.keys()]
  const repeated = names.find((name, i) => names.indexOf(name) !== i)
  if (repeated !== undefined) throw new ProgramError(`An exported model cannot have two tensors with the name ${JSON.stringify(repeated)}`)
  const next = [...nextState].map(([name, value]) => [`next/${name}`, value] as const)
  return serializeGraph(graph, new Map([...inputs, ...state]), new Map([...outputs, ...next]))
}
