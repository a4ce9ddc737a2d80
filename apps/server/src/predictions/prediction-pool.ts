import { Piscina } from 'piscina'
import { ApiError } from '../api-error.ts'
import type { PredictionOutcome, PredictionTask } from './prediction-task.ts'

export type PredictionResult = Extract<PredictionOutcome, { ok: true }>

export interface PredictionPoolOptions {
  readonly workerEntry: string
  /** the thread ended by itself; the next task starts another */
  readonly onWorkerLost?: (error: Error) => void
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
 */
export class PredictionPool {
  readonly #threads: Piscina<PredictionTask, PredictionOutcome>
  readonly #onWorkerLost: (error: Error) => void
  #waiting: WaitingTask[] = []
  #busy = false
  #work: Promise<void> = Promise.resolve()
  #closed = false

  constructor({ workerEntry, onWorkerLost = () => undefined }: PredictionPoolOptions) {
    this.#threads = new Piscina({ filename: workerEntry, minThreads: 0, maxThreads: 1, idleTimeout: Infinity, maxQueue: 1 })
    this.#threads.on('error', onWorkerLost)
    this.#onWorkerLost = onWorkerLost
  }

  /**
   * Runs a task when those before it are done. One that is aborted while it waits is never run.
   *
   * @throws {ApiError} MODEL_UNUSABLE (of a lost checkpoint as CheckpointGoneError), PREDICTION_INTERRUPTED; the signal's reason
   */
  run(task: PredictionTask, signal: AbortSignal): Promise<PredictionResult> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(shuttingDown())
      this.#waiting.push({ task, signal, resolve, reject })
      if (!this.#busy) this.#work = this.#workOff()
    })
  }

  async #workOff(): Promise<void> {
    this.#busy = true
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      const { task, signal, resolve, reject } = next
      try {
        signal.throwIfAborted()
        resolve(await this.#runNow(task))
      } catch (error) {
        reject(error as Error)
      }
    }
    this.#busy = false
  }

  async #runNow(task: PredictionTask): Promise<PredictionResult> {
    const outcome = await this.#threads.run(task).catch((error: Error) => {
      this.#onWorkerLost(error)
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
    await this.#work
    await this.#threads.destroy()
  }
}

function shuttingDown(): ApiError {
  return new ApiError('UNAVAILABLE', 'The server is shutting down')
}
