/** The programs that a trainer really runs, on the device that is fast against the one that is plain TensorFlow.js. */

import { type CompiledProgram, type Device, type HostTensors, openDevice, type Program } from '@noprop/engine'
import { buildModel, type ChainResult, type ModelConfig, type TrainingUnit } from '@noprop/noprop'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const config: ModelConfig = {
  method: 'noprop-dt',
  embedding: 'one-hot',
  embeddingDim: 8,
  embeddingInit: 'auto',
  head: 'softmax',
  radialSigma: 1,
  blocks: 2,
  channels: [4, 6, 8],
  features: 16,
  dropout: 0.2,
  eta: 0.1,
  optimizer: 'adamw',
  weightDecay: 1e-3,
  noiseSamples: 1,
  inferenceSteps: 8,
  sampler: 'eq3',
  fmSigma: 0,
  emaDecay: 0,
  labelSmoothing: 0,
  imageShape: [28, 28, 1],
  numClasses: 10,
}
const batchSize = 32
const steps = 10
const seed = 3

const devices: Device[] = []
beforeAll(async () => {
  devices.push(await openDevice('cpu'), await openDevice('reference'))
})
afterAll(() => {
  for (const device of devices) device.dispose()
})

type Compiled = Readonly<Record<string, CompiledProgram>>

/** Runs the same thing on both devices. A program whose state is not given has none. */
async function onBoth<T>(
  programs: Readonly<Record<string, Program>>,
  states: Readonly<Record<string, HostTensors>>,
  use: (compiled: Compiled) => Promise<T>,
): Promise<[T, T]> {
  const results: T[] = []
  for (const device of devices) {
    const compiled: Record<string, CompiledProgram> = {}
    try {
      for (const [name, program] of Object.entries(programs)) {
        compiled[name] = await device.compile(program)
        await compiled[name].writeState(states[name] ?? {})
      }
      results.push(await use(compiled))
    } finally {
      for (const program of Object.values(compiled)) program.dispose()
    }
  }
  return results as [T, T]
}

/** Images of smooth stripes, other ones in every step; the label decides their direction. */
function batchOfStep(step: number) {
  const labels = Uint8Array.from({ length: batchSize }, (_, i) => (7 * i + step) % config.numClasses)
  const images = Float32Array.from({ length: batchSize * 784 }, (_, i) => {
    const [image, row, column] = [Math.floor(i / 784), Math.floor((i % 784) / 28), i % 28]
    const angle = (Math.PI * labels[image]!) / config.numClasses
    return Math.sin((row * Math.cos(angle) + column * Math.sin(angle)) * 0.7 + image + 3 * step) + 0.3 * Math.sin(12.9898 * i + step)
  })
  return { images, labels }
}

/**
 * Largest difference in a tensor, as a share of its largest number. The scale is the tensor's and not the element's, because an element is a sum whose terms
 * cancel: 32-bit rounding, which the devices do in different orders, is relative to the terms, and leaves nothing certain of an element near 0.
 */
function distance(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length)
  const difference = Array.from(expected, (value, i) => Math.abs(found[i]! - value))
  const scale = Array.from(expected, Math.abs).reduce((left, right) => Math.max(left, right), 0)
  const largest = difference.reduce((left, right) => Math.max(left, right), 0)
  return largest === 0 ? 0 : largest / scale
}

function expectAgreement(found: HostTensors, expected: HostTensors, limit: number) {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort())
  for (const [name, values] of Object.entries(expected)) {
    // A learned schedule is normalised by its own ends: its gradient is a difference of sums over all rows, of which little is left.
    const share = name.includes('schedule.') ? 5 * limit : limit
    expect(distance(found[name]!, values), name).toBeLessThanOrEqual(share)
  }
}

interface Course {
  readonly afterFirst: HostTensors
  readonly afterLast: HostTensors
  readonly metrics: readonly HostTensors[]
}

/** @param compiled the training program under `step`, and those of the unit's assistant */
async function train(unit: TrainingUnit, compiled: Compiled): Promise<Course> {
  const training = compiled['step']!
  const metrics: HostTensors[] = []
  let afterFirst: HostTensors = {}
  for (let step = 0; step < steps; step++) {
    const inputs = unit.stepInputs(batchOfStep(step), { seed, step, learningRate: 1e-3, batches: steps })
    const complete = unit.assistant?.complete(inputs, await training.readState(), (name, given) => compiled[name]!.run(given))
    metrics.push(await training.run((await complete) ?? inputs))
    if (step === 0) afterFirst = await training.readState()
  }
  return { afterFirst, afterLast: await training.readState(), metrics }
}

/**
 * What the first step changed. Of the weights and their averages, only those whose gradient is at least a thousandth of the largest in their tensor: AdamW's first step is
 * g/(|g| + ε), which makes a full step even of a gradient that is rounding noise. The gradients themselves are here whole, as the first moments.
 */
function firstChanges(after: HostTensors, before: HostTensors, reference: HostTensors): HostTensors {
  const all = changes(after, before)
  for (const [name, values] of Object.entries(all)) {
    const gradient = reference[`optimizer.m/${name.replace('average/', '')}`] as Float32Array | undefined
    if (!gradient) continue
    const floor = 1e-3 * gradient.reduce((largest, g) => Math.max(largest, Math.abs(g)), 0)
    all[name] = (values as Float32Array).filter((_, i) => Math.abs(gradient[i]!) >= floor)
  }
  return all
}

function changes(after: HostTensors, before: HostTensors): HostTensors {
  return Object.fromEntries(
    Object.entries(after).map(([name, values]) => [name, Float32Array.from(values, (value, i) => value - before[name]![i]!)]),
  )
}

/** For each class one image, the first of a batch. */
function prototypes() {
  const { images, labels } = batchOfStep(0)
  const classes = Array.from({ length: config.numClasses }, (_, y) => labels.indexOf(y))
  return Float32Array.from(classes.flatMap((i) => Array.from(images.subarray(i * 784, (i + 1) * 784))))
}

const continuous = { optimizer: 'adam', eta: 1 } as const
const adamOf = (method: ModelConfig['method'], embedding: ModelConfig['embedding']) => ({ ...continuous, method, embedding })

/** The slow part is plain TensorFlow.js; so units whose program is the same divide the numbers of draws among them, and the chain takes over weights. */
describe.each<[string, Partial<ModelConfig>, [number, number][]]>([
  [
    'noprop-dt',
    {},
    [
      [0, 1],
      [0, 3],
      [1, 1],
      [2, 3],
    ],
  ],
  ['noprop-ct', adamOf('noprop-ct', 'one-hot'), [[1, 3]]],
  ['noprop-ct with a learned embedding', { ...adamOf('noprop-ct', 'learned'), emaDecay: 0.9, labelSmoothing: 0.1 }, [[1, 1]]],
  ['noprop-ct with prototypes', { ...adamOf('noprop-ct', 'prototype'), sampler: 'ode' }, [[1, 1]]],
  ['noprop-fm', adamOf('noprop-fm', 'one-hot'), [[1, 3]]],
  ['noprop-fm with a learned embedding', { ...adamOf('noprop-fm', 'learned'), fmSigma: 0.05 }, [[1, 1]]],
  ['noprop-fm with prototypes', adamOf('noprop-fm', 'prototype'), [[1, 1]]],
  ['backprop', { method: 'backprop' }, [[1, 3]]],
  ['backprop with a learned embedding', { method: 'backprop', embedding: 'learned', head: 'radial', emaDecay: 0.9 }, [[1, 1]]],
  ['forward-forward', { method: 'forward-forward' }, [[1, 2]]],
  ['adjoint', { method: 'adjoint' }, [[1, 3]]],
  ['adjoint with a learned embedding', { method: 'adjoint', embedding: 'learned', emaDecay: 0.9, inferenceSteps: 20 }, [[1, 1]]],
])('%s', (_, variant, courses) => {
  const trained = new Map<number, HostTensors>()
  const data = { prototypes: prototypes() }

  it.each(courses)(
    'unit %i with %i noise draws takes the same ten steps on both devices',
    async (block, noiseSamples) => {
      const unit = buildModel({ ...config, ...variant, noiseSamples }).units.find((candidate) => candidate.block === block)!
      const before = unit.initialState(seed, data)
      const programs = { step: unit.trainingProgram(batchSize), ...unit.assistant?.programs(batchSize) }
      const [found, expected] = await onBoth(programs, { step: before }, (compiled) => train(unit, compiled))
      for (const [step, metrics] of expected.metrics.entries()) expectAgreement(found.metrics[step]!, metrics, 1e-4)
      const first = [found, expected].map(({ afterFirst }) => firstChanges(afterFirst, before, expected.afterFirst))
      expectAgreement(first[0]!, first[1]!, 1e-4)
      expectAgreement(found.afterLast, expected.afterLast, 1e-4)
      // What agrees is a step, not a standstill.
      const moved = Object.values(changes(expected.afterFirst, before)).filter((values) => values.some((value) => value !== 0))
      expect(moved.length).toBeGreaterThan(0.6 * Object.keys(before).length)
      trained.set(block, expected.afterLast)
    },
    180_000,
  )

  it('the chain gives the same probabilities on both devices, noisy and noise-free', async () => {
    const model = buildModel({ ...config, ...variant })
    const chain = model.chain({ batchSize, samples: [false, true] })
    const states = new Map(model.units.map((unit) => [unit.block, trained.get(unit.block) ?? unit.initialState(seed, data)]))
    const keys = Array.from({ length: batchSize }, (_, i) => i)
    const { images } = batchOfStep(99)
    const [found, expected] = await onBoth(chain.programs, chain.weights(states), (compiled) =>
      chain.run((name, inputs) => compiled[name]!.run(inputs), images, keys, seed),
    )
    const named = ({ estimates, head }: ChainResult): HostTensors => Object.fromEntries([...estimates.flat(), ...head].entries())
    expectAgreement(named(found), named(expected), 1e-5)
  })
})
