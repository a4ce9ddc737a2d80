import { resolve } from 'node:path'
import { type DatasetName, networkOf, type RunConfig, type TrainerToServer } from '@noprop/contract'
import { type LoadedDataset, loadDataset, splitTrain } from '@noprop/datasets'
import { type CompiledProgram, type Device, openDevice } from '@noprop/engine'
import { type Batch, buildModel, type Model } from '@noprop/noprop'
import { createEventReporter, type EventReporter } from './event-reporter.ts'
import type { Compile } from './programs.ts'

/** Indices of the images that a run uses, by split. */
export interface ExampleIndices {
  readonly train: Uint32Array
  readonly validation: Uint32Array
  readonly test: Uint32Array
}

/** What a trainer keeps warm from one task to the next: the dataset, the device and the compiled programs. */
export interface TaskContext {
  isStopRequested(): boolean
  reportFor(taskId: string): EventReporter
  dataset(name: DatasetName, reporter?: EventReporter): Promise<LoadedDataset>
  device(config: RunConfig): Promise<Device>
  /** Compiles the programs of a model, each once; those of another model are dropped. */
  compiler(config: RunConfig, model: Model): Compile
}

interface ContextOptions {
  isStopRequested: () => boolean
  post: (message: TrainerToServer) => void
}

export function createTaskContext({ isStopRequested, post }: ContextOptions): TaskContext {
  const dataDir = resolve(process.env['NOPROP_DATA_DIR'] ?? 'data')
  const datasetsDir = process.env['NOPROP_DATASETS_DIR'] || null
  const devices = new Map<string, Promise<Device>>()
  let loaded: { name: DatasetName; dataset: LoadedDataset } | undefined
  let programs: { model: string; byKey: Map<string, CompiledProgram> } = { model: '', byKey: new Map() }

  // One thread each: the blocks of a run fill the cores with processes, and a fixed thread count keeps the bits the same everywhere.
  const device = (config: RunConfig) => memoize(devices, config.device, () => openDevice(config.device, { threads: 1 }))

  return {
    isStopRequested,
    reportFor: (taskId) => createEventReporter(taskId, post),
    device,
    async dataset(name, reporter) {
      if (loaded?.name !== name) {
        const dataset = await loadDataset(name, { dataDir, datasetsDir, onProgress: (progress) => reportDownload(reporter, progress) })
        loaded = { name, dataset }
      }
      return loaded.dataset
    },
    compiler(config, model) {
      const modelKey = JSON.stringify([config.device, config.batch_size, model.config])
      if (programs.model !== modelKey) {
        for (const old of programs.byKey.values()) old.dispose()
        programs = { model: modelKey, byKey: new Map() }
      }
      const { byKey } = programs
      return async (key, program) => {
        const compiled = byKey.get(key) ?? (await (await device(config)).compile(program()))
        byKey.set(key, compiled)
        return compiled
      }
    },
  }
}

/** Splits a dataset as the config says; a pure function of both. */
export function selectExamples(dataset: LoadedDataset, config: RunConfig): ExampleIndices {
  const { train, validation } = splitTrain(dataset.train.labels.length, config.validation_size, config.train_limit, config.seed)
  const testCount = Math.min(dataset.test.labels.length, config.test_limit ?? Infinity)
  return { train, validation, test: Uint32Array.from({ length: testCount }, (_, i) => i) }
}

export function modelOf(config: RunConfig, dataset: Pick<LoadedDataset, 'imageShape' | 'classes'>): Model {
  return buildModel(networkOf(config, { imageShape: dataset.imageShape, numClasses: dataset.classes.length }))
}

/** Whether the units of a model share weights, so that one trains after the other. */
export function takesTurns(model: Model): boolean {
  return model.units.some((unit) => unit.adoptShared)
}

/** Room for a mini-batch of a dataset. */
export function batchBuffers({ imageShape }: Pick<LoadedDataset, 'imageShape'>, batchSize: number): Batch {
  const imageSize = imageShape.reduce((product, n) => product * n, 1)
  return { images: new Float32Array(batchSize * imageSize), labels: new Uint8Array(batchSize) }
}

/** Lets messages and timers of this thread through. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function reportDownload(reporter: EventReporter | undefined, progress: { file: string; receivedBytes: number; totalBytes: number | null }) {
  reporter?.report({
    type: 'dataset_progress',
    file: progress.file,
    received_bytes: progress.receivedBytes,
    total_bytes: progress.totalBytes,
  })
}

function memoize<K, V>(cache: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  let value = cache.get(key)
  if (!value) {
    value = make()
    value.catch(() => cache.delete(key))
    cache.set(key, value)
  }
  return value
}
