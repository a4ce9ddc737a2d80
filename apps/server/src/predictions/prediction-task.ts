import type { RunConfig } from '@noprop/contract'

/** A network to load: where its weights are, and what they are weights of. */
export interface ModelReference {
  /** equal for equal networks */
  readonly key: string
  readonly config: RunConfig
  readonly imageShape: readonly [number, number, number]
  readonly numClasses: number
  readonly checkpoints: readonly { readonly block: number; readonly path: string; readonly sha256: string }[]
}

/** What the worker thread is asked. Without images it loads and compiles the network, so that the next task finds it warm. */
export interface PredictionTask {
  readonly model: ModelReference
  /** normalised pixels, [count, height, width, channels] */
  readonly images: Float32Array
  /** for each image the number that names its random draws */
  readonly keys: readonly number[]
  readonly seed: number
  /** with the noise of the method: of Eq. 3, or of z_0 */
  readonly noise: boolean
  /** chains for each image, each with draws of its own, of which the answer is the mean; 1 without noise */
  readonly draws: number
}

/** What it answers; errors cross the thread as data. */
export type PredictionOutcome =
  | {
      readonly ok: true
      /** numbers of the steps of the chain that `estimates` reports */
      readonly steps: readonly number[]
      /** class probabilities in the estimate after each of these steps, [steps][count × numClasses] */
      readonly estimates: readonly Float32Array[]
      /** class probabilities in the paper's decoding of z_T, [count × numClasses] */
      readonly head: Float32Array
      readonly device: string
      readonly chainSeconds: number
    }
  | { readonly ok: false; readonly code: string; readonly message: string }

/**
 * Batch sizes that a chain is compiled for, falling: a compiled chain has a fixed one. One image alone is answered soonest; of 8 an image costs a half to
 * a third of that, and of 32 less again.
 */
export const batchSizes = [32, 8, 1] as const

/** Images of one request are put in line in groups of this size, so that a large request does not hold up the small ones. */
export const groupSize = 8
