import { RunConfig } from '@noprop/contract'
import { datasetCatalog } from '@noprop/datasets'
import { openDevice } from '@noprop/engine'
import Value from 'typebox/value'
import { compileChain, type Compile, compileUnit } from './programs.ts'
import { modelOf, takesTurns } from './task-context.ts'

/**
 * A process of its own that times the training step of some configurations on this machine, so that the dashboard can say what a run will take.
 * Reads a JSON object { name: RunConfig } from its first argument and prints for each name what `PresetCalibration` of the server reads.
 * Weights and images are random: how long a step takes does not depend on what it computes.
 */

const warmUpSteps = 1
const fewestMeasurements = 2
const shortestMeasurementMs = 100
/** Smaller than that of an evaluation: an image costs nearly the same, and the whole only has to take seconds. */
const chainBatchSize = 50

async function calibrate(config: RunConfig) {
  const { imageShape, classes, trainExamples } = datasetCatalog.mnist
  const model = modelOf(config, datasetCatalog.mnist)
  const unit = model.units.find(({ block }) => block > 0)!
  const data = { prototypes: randomImages(classes.length * size(imageShape)) }
  const startedAt = performance.now()
  const device = await openDevice(config.device, { threads: 1 })
  const compile: Compile = (_key, program) => device.compile(program())
  const training = await compileUnit(unit, config.batch_size, compile)
  const states = new Map(model.units.map(({ block, initialState }) => [block, initialState(config.seed, data)]))
  const chain = model.chain({ batchSize: chainBatchSize, samples: [false, true] })
  const execute = await compileChain(chain, states, compile)
  const secondsToStart = (performance.now() - startedAt) / 1000

  await training.training.writeState(states.get(unit.block)!)
  const batch = { images: randomImages(config.batch_size * size(imageShape)), labels: new Uint8Array(config.batch_size) }
  const batches = Math.floor(trainExamples / config.batch_size)
  const secondsPerStep = await timeRepeated(async (step) => {
    await training.step(unit.stepInputs(batch, { seed: config.seed, step, learningRate: config.learning_rate, batches }))
  })
  const images = randomImages(chainBatchSize * size(imageShape))
  const keys = Array.from({ length: chainBatchSize }, (_, i) => i)
  const secondsPerBatch = await timeRepeated(async () => void (await chain.run(execute, images, keys, config.seed)))
  device.dispose()
  return {
    seconds_per_step: secondsPerStep,
    seconds_per_evaluated_image: secondsPerBatch / chainBatchSize,
    seconds_to_start: secondsToStart,
    units: model.units.filter(({ block }) => block > 0).length,
    in_turn: takesTurns(model),
    relative_cost: Object.fromEntries(
      Object.entries(datasetCatalog).map(([name, facts]) => [name, modelOf(config, facts).flopsPerImage / model.flopsPerImage]),
    ),
  }
}

/** (Lower) median of the seconds of one call, after a warm-up. */
async function timeRepeated(call: (index: number) => Promise<void>): Promise<number> {
  for (let i = 0; i < warmUpSteps; i++) await call(i)
  const times: number[] = []
  const startedAt = performance.now()
  while (times.length < fewestMeasurements || performance.now() - startedAt < shortestMeasurementMs) {
    const before = performance.now()
    await call(warmUpSteps + times.length)
    times.push((performance.now() - before) / 1000)
  }
  return times.sort((a, b) => a - b)[Math.floor((times.length - 1) / 2)]!
}

function randomImages(length: number): Float32Array {
  return Float32Array.from({ length }, () => Math.random())
}

function size(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1)
}

const results: Record<string, Awaited<ReturnType<typeof calibrate>>> = {}
for (const [name, config] of Object.entries(JSON.parse(process.argv[2] ?? '{}') as Record<string, unknown>)) {
  results[name] = await calibrate(Value.Parse(RunConfig, config))
}
console.log(JSON.stringify(results))
