/** From images to classes in continuous time: a few seconds of training, on images that are easy to tell apart. */

import { expect, it } from 'vitest'
import { buildModel, type ModelConfig } from '../src/index.ts'
import { runChain, runProgram, stepAt, tinyConfig } from './run-program.ts'

const base: ModelConfig = {
  ...tinyConfig,
  channels: [4, 4, 6],
  features: 24,
  numClasses: 4,
  optimizer: 'adam',
  eta: 1,
  dropout: 0,
  noiseSamples: 8,
  inferenceSteps: 10,
}
const side = 14

/** Stripes whose direction is the class, with another phase in every image, and some noise. */
function stripes(count: number, first: number) {
  const labels = Uint8Array.from({ length: count }, (_, i) => (i + first) % base.numClasses)
  const images = Float32Array.from({ length: count * side ** 2 }, (_, i) => {
    const [image, row, column] = [Math.floor(i / side ** 2), Math.floor((i % side ** 2) / side), i % side]
    const angle = (Math.PI * labels[image]!) / base.numClasses
    const phase = 2.4 * (image + first)
    return 1.4 * Math.sin(1.3 * (row * Math.cos(angle) + column * Math.sin(angle)) + phase) + 0.5 * Math.sin(12.9898 * (i + 7 * first))
  })
  return { images, labels }
}

it.each([
  ['noprop-ct', 'one-hot'],
  ['noprop-ct', 'learned'],
  ['noprop-fm', 'one-hot'],
  ['noprop-fm', 'learned'],
] as const)('%s with the %s embedding recognises images that it has not seen', async (method, embedding) => {
  const model = buildModel({ ...base, method, embedding })
  const [unit] = model.units
  const [batchSize, steps] = [20, 60]
  const program = unit!.trainingProgram(batchSize)
  let state = unit!.initialState(1)
  for (let step = 0; step < steps; step++) {
    state = runProgram(program, state, unit!.stepInputs(stripes(batchSize, step * batchSize), stepAt(step, 1, 1e-2))).state
  }
  const count = 60
  const { images, labels } = stripes(count, 10_000)
  const chain = model.chain({ batchSize: count, samples: [false] })
  const { estimates, head } = await runChain(chain, new Map([[1, state]]), { images, keys: Array.from(labels, (_, i) => i) })
  const correct = (probabilities: Float32Array) =>
    Array.from(labels).filter((label, i) => {
      const row = probabilities.subarray(i * base.numClasses, (i + 1) * base.numClasses)
      return row.indexOf(Math.max(...row)) === label
    }).length
  expect(correct(estimates.at(-1)![0]!)).toBeGreaterThan(0.9 * count)
  expect(correct(head[0]!)).toBeGreaterThan(0.9 * count)
})
