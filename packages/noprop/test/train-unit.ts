/** Trains one unit on TensorFlow.js' plain backend, with the programs of its assistant where it has one. */

import type { HostTensors } from '@noprop/engine'
import type { Batch, StepContext, TrainingUnit } from '../src/index.ts'
import { type HostResult, runProgram, stepAt } from './run-program.ts'

/** The inputs of a step's program, in arrays of their own. */
export async function completeInputs(unit: TrainingUnit, state: HostTensors, batch: Batch, context: StepContext): Promise<HostTensors> {
  const inputs = copyTensors(unit.stepInputs(batch, context))
  const programs = unit.assistant?.programs(batch.labels.length) ?? {}
  const execute = async (name: string, given: HostTensors) => runProgram(programs[name]!, {}, given).outputs
  return unit.assistant ? unit.assistant.complete(inputs, state, execute) : inputs
}

export async function takeStep(unit: TrainingUnit, state: HostTensors, batch: Batch, context: StepContext): Promise<HostResult> {
  return runProgram(unit.trainingProgram(batch.labels.length), state, await completeInputs(unit, state, batch, context))
}

export interface Trained {
  readonly state: HostTensors
  readonly metrics: readonly Record<string, number>[]
}

interface TrainOptions {
  readonly batch: Batch
  readonly steps: number
  readonly seed?: number
  readonly learningRate?: number
}

export async function trainUnit(unit: TrainingUnit, { batch, steps, seed = 1, learningRate }: TrainOptions): Promise<Trained> {
  let state = unit.initialState(seed)
  const metrics: Record<string, number>[] = []
  for (let step = 0; step < steps; step++) {
    const result = await takeStep(unit, state, batch, stepAt(step, seed, learningRate))
    state = result.state
    metrics.push(unit.readMetrics(result.outputs))
  }
  return { state, metrics }
}

export function copyTensors(tensors: HostTensors): HostTensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, values]) => [name, values.slice()]))
}
