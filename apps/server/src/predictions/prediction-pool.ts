import { Piscina } from 'piscina'
import { ApiError } from '../api-error.ts'
import { groupSize, type PredictionOutcome, type PredictionTask } from './prediction-task.ts'

export type PredictionResult = Extract<PredictionOutcome, { ok: true }>

export interface PredictionPoolOptions {
  readonly workerEntry: string
  readonly limits: BatchLimits
  /** a batch of so many images goes to the thread */
  readonly onBatch?: (images: number) => void
  /** the thread ended by itself; the next task starts another */
  readonly onWorkerLost?: (error: Error) => void
}

export interface BatchLimits {
  /** most images that are computed together */
  readonly images: number
  /** longest time that those that have come wait for those that are still being prepared */
  readonly delayMs: number
}

/** A checkpoint of the network is no longer where it was when the task was made. */
export class CheckpointGoneError extends ApiError {
  constructor() {
    super('MODEL_UNUSABLE', 'The network cannot be used: one of its checkpoint files is missing', {
      status: 500,
      title: 'The network of this run cannot be used',
    })
  }
}

interface WaitingTask {
  readonly task: PredictionTask
  readonly signal: AbortSignal
  readonly resolve: (result: PredictionResult) => void
  readonly reject: (error: Error) => void
}

/**
 * A thread that keeps networks warm, and the line in front of it. One thread: it answers in milliseconds, a second one would hold every network twice,
 * and the other cores belong to the trainers. The line is kept here because the pool can only cancel what already runs by killing its thread.
 *
 * Tasks that ask the same of the same network are computed together: what came while the thread was busy, and what is still being prepared when it is free
 * and comes within the delay. A task that is alone never waits.
 */
export class PredictionPool {
  readonly #threads: Piscina<PredictionTask, PredictionOutcome>
  readonly #options: Required<PredictionPoolOptions>
  #waiting: WaitingTask[] = []
  #expected = 0
  /** called when the line or what is expected of it has changed */
  #onChange: () => void = () => undefined
  #busy = false
  #work: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: PredictionPoolOptions) {
    this.#options = { onWorkerLost: () => undefined, onBatch: () => undefined, ...options }
    this.#threads = new Piscina({ filename: options.workerEntry, minThreads: 0, maxThreads: 1, idleTimeout: Infinity, maxQueue: 1 })
    this.#threads.on('error', this.#options.onWorkerLost)
  }

  /**
   * Runs a task when those before it are done. One that is aborted while it waits is never run.
   *
   * @param task at most as many images as fit into a batch; of one that is still being prepared, others that are ready may wait for it a moment
   * @throws {ApiError} MODEL_UNUSABLE (of a lost checkpoint as CheckpointGoneError), PREDICTION_INTERRUPTED; the signal's reason; why the task could not be prepared
   */
  async run(task: PredictionTask | Promise<PredictionTask>, signal: AbortSignal): Promise<PredictionResult> {
    this.#expected++
    let ready: PredictionTask
    try {
      ready = await task
    } catch (error) {
      this.#expected--
      this.#onChange()
      throw error
    }
    return new Promise((resolve, reject) => {
      this.#expected--
      if (this.#closed) return reject(shuttingDown())
      this.#waiting.push({ task: ready, signal, resolve, reject })
      this.#onChange()
      if (!this.#busy) this.#work = this.#workOff()
    })
  }

  async #workOff(): Promise<void> {
    this.#busy = true
    while (this.#waiting.length > 0) {
      await this.#delay()
      const batch = this.#nextBatch()
      if (batch.length > 0) await this.#runBatch(batch)
    }
    this.#busy = false
  }

  /** Until a batch is full, nothing more is being prepared, or the time is over. */
  #delay(): Promise<void> {
    const { images, delayMs } = this.#options.limits
    const isOver = () => this.#closed || this.#expected === 0 || countImages(this.#waiting) >= images
    if (delayMs === 0 || isOver()) return Promise.resolve()
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.#onChange = () => undefined
        resolve()
      }
      const timer = setTimeout(end, delayMs)
      this.#onChange = () => isOver() && end()
    })
  }

  /** Takes the first of the line, and all that can be computed with it. */
  #nextBatch(): WaitingTask[] {
    const batch: WaitingTask[] = []
    const rest: WaitingTask[] = []
    for (const waiting of this.#waiting) {
      if (waiting.signal.aborted) waiting.reject(waiting.signal.reason as Error)
      else (this.#fits(waiting, batch) ? batch : rest).push(waiting)
    }
    // what would fill a part of a compiled batch waits for the next, which it may fill
    while (countImages(batch) > groupSize && countImages(batch) % groupSize > 0) rest.unshift(batch.pop()!)
    this.#waiting = rest
    return batch
  }

  #fits({ task }: WaitingTask, batch: readonly WaitingTask[]): boolean {
    const first = batch[0]?.task
    if (!first) return true
    const isAlike =
      task.model.key === first.model.key && task.noise === first.noise && task.draws === first.draws && task.seed === first.seed
    // a task without images loads a network
    return isAlike && task.keys.length > 0 && first.keys.length > 0 && countImages(batch) + task.keys.length <= this.#options.limits.images
  }

  async #runBatch(batch: readonly WaitingTask[]): Promise<void> {
    const tasks = batch.map(({ task }) => task)
    this.#options.onBatch(countImages(batch))
    try {
      const result = await this.#runNow(joinTasks(tasks))
      const results = splitResult(result, tasks)
      batch.forEach(({ resolve }, i) => resolve(results[i]!))
    } catch (error) {
      for (const { reject } of batch) reject(error as Error)
    }
  }

  async #runNow(task: PredictionTask): Promise<PredictionResult> {
    const outcome = await this.#threads.run(task).catch((error: Error) => {
      this.#options.onWorkerLost(error)
      throw new ApiError('PREDICTION_INTERRUPTED', 'The prediction was interrupted; try again', {
        status: 503,
        title: 'The server is busy',
      })
    })
    if (outcome.ok) return outcome
    if (outcome.code === 'ENOENT') throw new CheckpointGoneError()
    throw new ApiError('MODEL_UNUSABLE', `The network cannot be used (${outcome.code}): ${outcome.message}`, {
      status: 500,
      title: 'The network of this run cannot be used',
    })
  }

  /** Refuses what waits and lets what runs come to its end: ONNX Runtime takes the whole process down when its thread is ended inside a call. */
  async close(): Promise<void> {
    this.#closed = true
    for (const { reject } of this.#waiting.splice(0)) reject(shuttingDown())
    this.#onChange()
    await this.#work
    await this.#threads.destroy()
  }
}

function countImages(tasks: readonly WaitingTask[]): number {
  return tasks.reduce((sum, { task }) => sum + task.keys.length, 0)
}

function joinTasks(tasks: readonly PredictionTask[]): PredictionTask {
  const [first] = tasks as readonly [PredictionTask]
  if (tasks.length === 1) return first
  const images = new Float32Array(tasks.reduce((sum, task) => sum + task.images.length, 0))
  let offset = 0
  for (const task of tasks) {
    images.set(task.images, offset)
    offset += task.images.length
  }
  return { ...first, images, keys: tasks.flatMap(({ keys }) => keys) }
}

/** Gives every task the part of the result that is about its images. */
function splitResult(result: PredictionResult, tasks: readonly PredictionTask[]): PredictionResult[] {
  if (tasks.length === 1) return [result]
  let start = 0
  return tasks.map(({ model: { numClasses }, keys }) => {
    const [from, to] = [start * numClasses, (start += keys.length) * numClasses]
    return { ...result, estimates: result.estimates.map((values) => values.subarray(from, to)), head: result.head.subarray(from, to) }
  })
}

function shuttingDown(): ApiError {
  return new ApiError('UNAVAILABLE', 'The server is shutting down')
}
