import type { CompiledProgram, HostTensors, Program } from '@noprop/engine'
import type { DenoisingChain, Execute, TrainingUnit } from '@noprop/noprop'

/** Compiles a program, or finds it compiled already; `key` names it among the programs of one model. */
export type Compile = (key: string, program: () => Program) => Promise<CompiledProgram>

export interface UnitPrograms {
  /** The one that holds the state of the unit. */
  readonly training: CompiledProgram
  /** One optimizer step, with whatever has to be computed before it. */
  step(inputs: HostTensors): Promise<HostTensors>
}

/** The programs of an optimizer step on batches of `batchSize` images. */
export async function compileUnit(unit: TrainingUnit, batchSize: number, compile: Compile): Promise<UnitPrograms> {
  const training = await compile(unit.programKey, () => unit.trainingProgram(batchSize))
  const { assistant } = unit
  if (!assistant) return { training, step: (inputs) => training.run(inputs) }
  const execute = executeOf(await compileAll(assistant.programs(batchSize), unit.programKey, compile))
  return {
    training,
    async step(inputs) {
      return training.run(await assistant.complete(inputs, await training.readState(), execute))
    },
  }
}

/** The programs of a chain, with the weights that the states of the units hold. */
export async function compileChain(chain: DenoisingChain, states: ReadonlyMap<number, HostTensors>, compile: Compile): Promise<Execute> {
  const programs = await compileAll(chain.programs, 'chain', compile)
  const weights = chain.weights(states)
  for (const [name, program] of programs) await program.writeState(weights[name] ?? {})
  return executeOf(programs)
}

type Programs = ReadonlyMap<string, CompiledProgram>

async function compileAll(programs: Readonly<Record<string, Program>>, key: string, compile: Compile): Promise<Programs> {
  const compiled = new Map<string, CompiledProgram>()
  for (const [name, program] of Object.entries(programs)) compiled.set(name, await compile(`${key}/${name}`, () => program))
  return compiled
}

function executeOf(programs: Programs): Execute {
  return (name, inputs) => programs.get(name)!.run(inputs)
}
