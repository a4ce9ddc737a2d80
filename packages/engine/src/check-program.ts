import { ProgramError } from './errors.ts'
import { checkSpecs, checkTensor, describeSpec, sameSpec } from './host-tensors.ts'
import type { HostTensors, Program, TensorSpec, TensorSpecs } from './program.ts'

/**
 * Checks what a program declares, and tells the state that the device keeps from the state that is constant.
 *
 * @throws {ProgramError} a spec is impossible, or a constant is not declared
 * @throws {TensorsError} a constant does not fit its declaration
 */
export function checkProgram(program: Program, constants: HostTensors): { state: TensorSpecs; constants: TensorSpecs } {
  checkSpecs('State', program.state)
  checkSpecs('Input', program.inputs)
  for (const [name, value] of Object.entries(constants)) {
    const spec = program.state[name]
    if (!spec) throw new ProgramError(`Constant ${JSON.stringify(name)} is not an entry of the state`)
    checkTensor('Constant', name, spec, value)
  }
  const entries = Object.entries(program.state)
  return {
    state: Object.fromEntries(entries.filter(([name]) => !Object.hasOwn(constants, name))),
    constants: Object.fromEntries(entries.filter(([name]) => Object.hasOwn(constants, name))),
  }
}

/** @throws {ProgramError} a program returned an entry that it does not declare as state, or with another shape or dtype */
export function checkReturnedState(name: string, found: TensorSpec, state: TensorSpecs): void {
  const declared = state[name]
  if (!declared) throw new ProgramError(`The program returns state ${JSON.stringify(name)}, which is constant or not declared`)
  if (!sameSpec(found, declared))
    throw new ProgramError(`State ${JSON.stringify(name)} is declared ${describeSpec(declared)}, but returned as ${describeSpec(found)}`)
}
