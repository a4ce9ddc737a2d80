import type { HostTensors, Program } from '@noprop/engine'

/** What decides the shape of a network and the loss of its blocks. */
export interface ModelConfig {
  readonly method: 'noprop-dt'
  readonly embedding: 'one-hot'
  /** T, the number of denoising blocks */
  readonly blocks: number
  /** output channels of the three convolutions of a block */
  readonly channels: readonly [number, number, number]
  /** width of the fully connected layers; the last hidden layer has half of it */
  readonly features: number
  readonly dropout: number
  /** η of Eq. 8 */
  readonly eta: number
  readonly weightDecay: number
  readonly noiseSamples: number
  /** [height, width, channels] */
  readonly imageShape: readonly [number, number, number]
  readonly numClasses: number
}

export interface Batch {
  /** normalised pixels, [batch, height, width, channels] */
  readonly images: Float32Array
  /** class indices, [batch] */
  readonly labels: Uint8Array
}

export interface StepContext {
  readonly seed: number
  /** optimizer steps this unit has done before this one, from the start of the run */
  readonly step: number
  readonly learningRate: number
}

/** A part of the network that learns alone: a denoising block (1…T), or the classifier head (0). */
export interface TrainingUnit {
  readonly block: number
  readonly parameterCount: number
  /** Units with the same key have the same program and differ only in state and inputs, so they can share its compiled form. */
  readonly programKey: string
  /** Optimizer steps of one epoch of `batches` mini-batches: one per batch for a block, T per batch for the head (Algorithm 1). */
  stepsPerEpoch(batches: number): number
  /** Weights, optimizer moments and batch-norm running statistics before the first step; a pure function of (seed, block). */
  initialState(seed: number): HostTensors
  /** One optimizer step on a batch of `batchSize` images. */
  trainingProgram(batchSize: number): Program
  /** Everything the step needs from the host: images, labels, noise, dropout masks, scalars. A pure function of its arguments; the arrays may be reused by the next call. */
  stepInputs(batch: Batch, context: StepContext): HostTensors
  /** Names the outputs of the program as metrics of the contract: denoising_loss, weighted_loss, accuracy, gradient_norm, update_ratio (head: cross_entropy, accuracy, …). */
  readMetrics(outputs: HostTensors): Record<string, number>
}

/** Floating-point numbers of one inference batch, by example. */
export interface ChainResult {
  /** class probabilities in the estimate of each block: [blocks][samples][batch × numClasses] */
  readonly estimates: readonly (readonly Float32Array[])[]
  /** class probabilities of the classifier head on z_T: [samples][batch × numClasses] */
  readonly head: readonly Float32Array[]
}

/** The denoising chain of Eq. 3 for a fixed batch size; its program's state is the weights of all units, frozen. */
export interface DenoisingChain {
  readonly program: Program
  /** Joins the states of the units (key: block; optimizer moments are ignored) into the state of the program. */
  weights(states: ReadonlyMap<number, HostTensors>): HostTensors
  /**
   * @param images normalised pixels, [batch, height, width, channels]
   * @param keys one number per image that names its random draws (such as its index in the test set)
   */
  inputs(images: Float32Array, keys: readonly number[], seed: number): HostTensors
  read(outputs: HostTensors): ChainResult
}

export interface ChainOptions {
  readonly batchSize: number
  /** One chain per element, all sharing the image path; true: with the noise of Eq. 3, false: noise-free. */
  readonly samples: readonly boolean[]
}

export interface Model {
  readonly config: ModelConfig
  /** Unit 0 first, then the blocks in order. */
  readonly units: readonly TrainingUnit[]
  readonly parameters: { readonly total: number; readonly perBlock: number; readonly shared: number }
  /** Floating-point operations (2 × multiply-adds) of the forward pass of one block on one image. */
  readonly flopsPerImage: number
  chain(options: ChainOptions): DenoisingChain
}
