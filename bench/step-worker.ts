/** A process that trains the paper's block, or multiplies matrices, with one thread. Its argument is the shape of the images. */

import { createInterface } from 'node:readline'
import { openDevice, type Program } from '@noprop/engine'
import { buildModel } from '@noprop/noprop'
import * as tf from '@tensorflow/tfjs-core'
import { batchSize, type ImageShape, imageShapes, paperConfig } from './paper-block.ts'

const gemmSize = 1024

const spec = { shape: [gemmSize, gemmSize], dtype: 'float32' } as const
/** A product of square matrices, of which one element is read: the fastest thing that ONNX Runtime does. */
const gemm: Program = {
  state: { a: spec, b: spec },
  inputs: {},
  run: ({ a, b }) => ({
    state: {},
    outputs: { corner: tf.slice(tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D) as tf.Tensor2D, [0, 0], [1, 1]) },
  }),
}

async function start(shape: ImageShape): Promise<Record<string, () => Promise<unknown>>> {
  const device = await openDevice('cpu', { threads: 1 })
  const product = await device.compile(gemm)
  await product.writeState({ a: noise(gemmSize ** 2), b: noise(gemmSize ** 2) })

  const unit = buildModel(paperConfig(shape)).units.find(({ block }) => block === 1)!
  const block = await device.compile(unit.trainingProgram(batchSize))
  await block.writeState(unit.initialState(1))
  const [height, width, colors] = imageShapes[shape]
  const batch = {
    images: noise(batchSize * height * width * colors),
    labels: Uint8Array.from({ length: batchSize }, (_, i) => i % 10),
  }
  let step = 0
  return {
    gemm: () => product.run({}),
    // everything that a step costs, drawing of noise and masks included
    step: () => block.run(unit.stepInputs(batch, { seed: 1, step: step++, learningRate: 1e-3, batches: 469 })),
  }
}

function noise(length: number): Float32Array {
  return Float32Array.from({ length }, () => Math.random() - 0.5)
}

const work = await start(process.argv[2] as ImageShape)
for (const run of Object.values(work)) for (let i = 0; i < 3; i++) await run()
console.log(JSON.stringify({ ready: true }))
for await (const line of createInterface({ input: process.stdin })) {
  const { what, seconds } = JSON.parse(line) as { what: string; seconds: number }
  const startedAt = performance.now()
  const cpuBefore = process.cpuUsage()
  let count = 0
  let elapsed = 0
  while (elapsed < seconds) {
    await work[what]!()
    count++
    elapsed = (performance.now() - startedAt) / 1000
  }
  const { user, system } = process.cpuUsage(cpuBefore)
  console.log(JSON.stringify({ count, seconds: elapsed, cpuSeconds: (user + system) / 1e6 }))
}
