import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { networkOf } from '@noprop/contract'
import { type CompiledProgram, type Device, type HostTensors, openDevice } from '@noprop/engine'
import { buildModel, decodeCheckpoint, type DenoisingChain, type Execute, type Model } from '@noprop/noprop'
import { batchSizes, type ModelReference, type PredictionOutcome, type PredictionTask } from './prediction-task.ts'

/** The thread that runs networks for predictions, one task after the other. It keeps the last few compiled. */

/** For the system page, which asks from a process of its own: the server itself loads no native engine. */
export { describeDevices } from '@noprop/engine'

const maxModels = 3

interface CompiledChain {
  readonly chain: DenoisingChain
  readonly programs: ReadonlyMap<string, CompiledProgram>
}

type Draws = Pick<PredictionTask, 'noise' | 'draws'>

interface LoadedModel {
  readonly model: Model
  /** of each program of a chain, whatever its batch size is */
  readonly weights: Readonly<Record<string, HostTensors>>
  readonly chains: Map<string, Promise<CompiledChain>>
}

/** By key, the least recently used one first. */
const models = new Map<string, Promise<LoadedModel>>()
let device: Promise<Device> | undefined

export default async function predict(task: PredictionTask): Promise<PredictionOutcome> {
  try {
    const loaded = await loadModel(task.model)
    if (task.keys.length === 0) {
      for (const batchSize of batchSizes) await compiledChain(loaded, batchSize, task)
      return { ok: true, steps: [], estimates: [], head: new Float32Array(), device: (await openCpu()).detail, chainSeconds: 0 }
    }
    return await runChain(task, loaded)
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown }
    return { ok: false, code: String(code ?? 'PREDICTION_FAILED'), message: String(message ?? error) }
  }
}

function openCpu(): Promise<Device> {
  device ??= openDevice('cpu', { threads: 1 })
  return device
}

async function loadModel(reference: ModelReference): Promise<LoadedModel> {
  const loading = models.get(reference.key) ?? readModel(reference)
  models.delete(reference.key)
  models.set(reference.key, loading)
  for (const key of [...models.keys()].slice(0, -maxModels)) {
    void models.get(key)?.then(disposeModel, () => undefined)
    models.delete(key)
  }
  try {
    return await loading
  } catch (error) {
    models.delete(reference.key)
    throw error
  }
}

async function readModel({ config, imageShape, numClasses, checkpoints }: ModelReference): Promise<LoadedModel> {
  const states = new Map<number, HostTensors>()
  for (const checkpoint of checkpoints) states.set(checkpoint.block, await readWeights(checkpoint))
  const model = buildModel(networkOf(config, { imageShape, numClasses }))
  // the moments of the optimizer, two thirds of what was read, are left behind
  const weights = model.chain({ batchSize: 1, samples: [false] }).weights(states)
  return { model, weights, chains: new Map() }
}

async function readWeights({ block, path, sha256 }: ModelReference['checkpoints'][number]): Promise<HostTensors> {
  const bytes = await readFile(path)
  if (createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw Object.assign(new Error(`the checkpoint of block ${block} does not have the recorded SHA-256`), { code: 'CHECKPOINT_CORRUPT' })
  return decodeCheckpoint(bytes).state
}

function compiledChain(loaded: LoadedModel, batchSize: number, { noise, draws }: Draws): Promise<CompiledChain> {
  const key = `${batchSize}/${noise}/${draws}`
  let compiled = loaded.chains.get(key)
  if (!compiled) {
    compiled = compileChain(loaded, batchSize, { noise, draws })
    compiled.catch(() => loaded.chains.delete(key))
    loaded.chains.set(key, compiled)
  }
  return compiled
}

async function compileChain({ model, weights }: LoadedModel, batchSize: number, { noise, draws }: Draws): Promise<CompiledChain> {
  const chain = model.chain({ batchSize, samples: Array.from({ length: draws }, () => noise) })
  const cpu = await openCpu()
  const programs = new Map<string, CompiledProgram>()
  for (const [name, program] of Object.entries(chain.programs))
    programs.set(name, await cpu.compile(program, { constants: weights[name] ?? {} }))
  return { chain, programs }
}

async function disposeModel({ chains }: LoadedModel): Promise<void> {
  for (const compiled of chains.values()) for (const program of (await compiled).programs.values()) program.dispose()
}

/** Class probabilities of a batch, [count × numClasses]: in the estimate after each reported step, and in the decoding of z_T. */
interface BatchResult {
  readonly estimates: readonly Float32Array[]
  readonly head: Float32Array
}

/** Runs images through the chain in batches of the sizes that there are. */
async function runChain(task: PredictionTask, loaded: LoadedModel): Promise<PredictionOutcome> {
  const { images, keys } = task
  const imageSize = images.length / keys.length
  const startedAt = performance.now()
  const parts: BatchResult[] = []
  for (let start = 0; start < keys.length;) {
    const end = start + Math.min(keys.length - start, largestBatch(keys.length - start))
    const part = { images: images.subarray(start * imageSize, end * imageSize), keys: keys.slice(start, end) }
    parts.push(await runBatch({ ...task, ...part }, loaded))
    start = end
  }
  return {
    ok: true,
    steps: loaded.model.reportedSteps,
    estimates: loaded.model.reportedSteps.map((_, step) => join(parts.map(({ estimates }) => estimates[step]!))),
    head: join(parts.map(({ head }) => head)),
    device: (await openCpu()).detail,
    chainSeconds: (performance.now() - startedAt) / 1000,
  }
}

/** Of two images or more, the smallest batch is filled up rather than left. */
function largestBatch(count: number): number {
  return batchSizes.find((size) => size <= count && (size > 1 || count === 1)) ?? batchSizes.at(-2)!
}

/** Fills the batch up with copies of its first image; the surplus is left out of the answer. */
async function runBatch(task: PredictionTask, loaded: LoadedModel): Promise<BatchResult> {
  const { images, keys, seed } = task
  const batchSize = batchSizes.findLast((size) => size >= keys.length)!
  const { chain, programs } = await compiledChain(loaded, batchSize, task)
  const execute: Execute = (name, inputs) => programs.get(name)!.run(inputs)

  const imageSize = images.length / keys.length
  const batch = new Float32Array(batchSize * imageSize)
  batch.set(images)
  for (let i = keys.length; i < batchSize; i++) batch.copyWithin(i * imageSize, 0, imageSize)
  const batchKeys = Array.from({ length: batchSize }, (_, i) => keys[i] ?? keys[0]!)
  const { estimates, head } = await chain.run(execute, batch, batchKeys, seed)
  const length = keys.length * loaded.model.config.numClasses
  return { estimates: estimates.map((samples) => meanOf(samples, length)), head: meanOf(head, length) }
}

/** Mean of the first values of all samples. */
function meanOf(samples: readonly Float32Array[], length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => samples.reduce((sum, values) => sum + values[i]!, 0) / samples.length)
}

function join(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let offset = 0
  for (const part of parts) {
    all.set(part, offset)
    offset += part.length
  }
  return all
}
