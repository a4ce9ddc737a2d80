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

/** Images are run through the chain one by one or in groups of this size; a compiled chain has a fixed batch size. */
export const groupSize = 8
