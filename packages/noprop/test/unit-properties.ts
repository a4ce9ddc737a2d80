/** What holds for every training unit of every method. */

import type { HostTensors } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import { expect, it } from 'vitest'
import { buildModel, type InitialData, type ModelConfig, ShapeError, type TrainingUnit } from '../src/index.ts'
import { runProgram, stepAt, syntheticBatch, toTensors } from './run-program.ts'

export const batchSize = 6

export interface Trained {
  readonly state: HostTensors
  readonly metrics: readonly Record<string, number>[]
}

/** Training images for embeddings that begin with some, by index and not by chance. */
export function prototypesFor({ numClasses, imageShape }: ModelConfig): InitialData {
  const size = imageShape.reduce((product, n) => product * n, 1)
  return { prototypes: Float32Array.from({ length: numClasses * size }, (_, i) => Math.sin(i * 0.37) + Math.cos((i % size) * 0.11)) }
}

export function unitOf(config: ModelConfig, block: number): TrainingUnit {
  return buildModel(config).units.find((unit) => unit.block === block)!
}

/** The inputs of a step, its assistant's included, in arrays of their own. */
export async function inputsOf(unit: TrainingUnit, state: HostTensors, config: ModelConfig, step: number, seed = 1, learningRate = 1e-2) {
  let inputs = unit.stepInputs(syntheticBatch(config, batchSize), stepAt(step, seed, learningRate))
  if (unit.assistant) {
    const programs = unit.assistant.programs(batchSize)
    inputs = await unit.assistant.complete(inputs, state, async (name, given) => runProgram(programs[name]!, {}, given).outputs)
  }
  return Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, values.slice()]))
}

/** Trains on one batch, on plain TensorFlow.js. */
export async function train(config: ModelConfig, block: number, steps: number, seed = 1, learningRate = 1e-2): Promise<Trained> {
  const unit = unitOf(config, block)
  const program = unit.trainingProgram(batchSize)
  let state = unit.initialState(seed, prototypesFor(config))
  const metrics: Record<string, number>[] = []
  for (let step = 0; step < steps; step++) {
    const result = runProgram(program, state, await inputsOf(unit, state, config, step, seed, learningRate))
    state = result.state
    metrics.push(unit.readMetrics(result.outputs))
  }
  return { state, metrics }
}

interface UnitFacts {
  readonly config: ModelConfig
  readonly block: number
  /** the metric that training lowers */
  readonly loss: string
  /** to which share of its first values 40 steps bring it */
  readonly share?: number
}

/** Registers the tests of one unit, inside a `describe`. */
export function itIsATrainingUnit({ config, block, loss, share = 0.6 }: UnitFacts): void {
  const unit = unitOf(config, block)

  it('lowers its loss', async () => {
    const { metrics } = await train({ ...config, dropout: 0, noiseSamples: 4 }, block, 40, 1, 3e-2)
    const losses = metrics.map((values) => values[loss]!)
    const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length
    expect(mean(losses.slice(-5))).toBeLessThan(share * mean(losses.slice(0, 5)))
  })

  it('gives the same bits for the same seed and others for another', async () => {
    const once = await train(config, block, 4)
    expect(await train(config, block, 4)).toEqual(once)
    expect((await train(config, block, 4, 2)).metrics).not.toEqual(once.metrics)
  })

  it('goes on from a copy of its state as if it had never stopped', async () => {
    const stopped = (await train(config, block, 3)).state
    const copy = Object.fromEntries(Object.entries(stopped).map(([name, values]) => [name, values.slice()]))
    const resumed = unitOf(config, block)
    const { state } = runProgram(resumed.trainingProgram(batchSize), copy, await inputsOf(resumed, copy, config, 3))
    expect(state).toEqual((await train(config, block, 4)).state)
  })

  it('leaves no tensor behind', async () => {
    await train(config, block, 1)
    const before = tf.memory().numTensors
    await train(config, block, 2)
    expect(tf.memory().numTensors).toBe(before)
  })

  it('has exactly the state and the inputs that its program declares, and finite results', async () => {
    const program = unit.trainingProgram(batchSize)
    const state = unit.initialState(1, prototypesFor(config))
    const inputs = await inputsOf(unit, state, config, 0)
    expect(Object.keys(state).sort()).toEqual(Object.keys(program.state).sort())
    expect(Object.keys(inputs).sort()).toEqual(Object.keys(program.inputs).sort())
    const next = tf.tidy(() => {
      const result = program.run(toTensors(program.state, state), toTensors(program.inputs, inputs))
      return Object.entries(result.state).map(([name, tensor]) => ({ name, shape: tensor.shape, values: tensor.dataSync() }))
    })
    expect(next.length).toBeGreaterThan(0)
    for (const { name, shape, values } of next) {
      expect(shape, name).toEqual(program.state[name]!.shape)
      expect(values.every(Number.isFinite), name).toBe(true)
    }
  })

  it('refuses a label that is no class', () => {
    const batch = syntheticBatch(config, batchSize)
    batch.labels[3] = config.numClasses
    expect(() => unit.stepInputs(batch, stepAt(0))).toThrow(ShapeError)
  })

  it('refuses images of the wrong size, where it takes images', () => {
    const batch = syntheticBatch(config, batchSize)
    if ('images' in unit.trainingProgram(batchSize).inputs)
      expect(() => unit.stepInputs({ ...batch, images: batch.images.subarray(1) }, stepAt(0))).toThrow(ShapeError)
  })
}

interface GradientFacts {
  readonly config: ModelConfig
  readonly block: number
  /** The loss that is differentiated, from the outputs of the program; or its terms, which are then not rounded to the precision of the largest. */
  readonly loss: (outputs: HostTensors) => number | readonly number[]
  /** weight tensors that must be among those compared */
  readonly atLeast: readonly string[]
}

/**
 * Compares the gradient of every weight tensor, in its own direction, with finite differences of the loss. After one step from zero the first moment, which is
 * kept as a sum, is the gradient.
 */
export function expectExactGradients({ config, block, loss, atLeast }: GradientFacts): void {
  const images = 16
  const unit = unitOf(config, block)
  const program = unit.trainingProgram(images)
  const given = unit.stepInputs(syntheticBatch(config, images), stepAt(0))
  const inputs = Object.fromEntries(Object.entries(given).map(([name, values]) => [name, values.slice()]))
  const state = unit.initialState(4, prototypesFor(config))
  const after = runProgram(program, state, inputs).state
  const terms = (from: HostTensors) => [loss(runProgram(program, from, inputs).outputs)].flat()
  const compared: string[] = []
  for (const name of Object.keys(state).filter((key) => `optimizer.m/${key}` in state)) {
    const gradient = after[`optimizer.m/${name}`] as Float32Array
    const norm = Math.hypot(...gradient)
    if (norm < 1e-2) continue
    const moved = (by: number) => ({
      ...state,
      [name]: (state[name] as Float32Array).map((value, i) => value + (by * gradient[i]!) / norm),
    })
    // Small, because ReLU and pooling have a kink wherever two activations meet; a schedule moves them all, but little.
    const h = name.startsWith('schedule.') ? 4e-3 : 2e-4
    const [ahead, behind] = [terms(moved(h)), terms(moved(-h))]
    const numeric = ahead.reduce((sum, term, i) => sum + (term - behind[i]!) / (2 * h), 0)
    // A loss is a number of 32 bits, so its differences are rounded in proportion to it; a term that does not change is none.
    const scale = ahead.reduce((sum, term, i) => sum + (term === behind[i] ? 0 : Math.abs(term)), 0)
    if (norm < 1e-3 * scale) continue
    expect(Math.abs(numeric - norm), `${name}: ${numeric} and ${norm}`).toBeLessThan(0.03 * norm + 3e-4 * Math.max(1, scale))
    compared.push(name)
  }
  expect(compared).toEqual(expect.arrayContaining([...atLeast]))
}
