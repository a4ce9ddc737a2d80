import type { HostTensors, Program } from '@noprop/engine'

/** `backprop`, `adjoint` and `forward-forward` are the baselines: the same blocks, trained otherwise. */
export type Method = 'noprop-dt' | 'noprop-ct' | 'noprop-fm' | 'backprop' | 'adjoint' | 'forward-forward'

/** What decides the shape of a network and the loss of its blocks. */
export interface ModelConfig {
  readonly method: Method
  /** one-hot: fixed; learned: trained, of any dimension; prototype: trained, as long as an image has pixels */
  readonly embedding: 'one-hot' | 'learned' | 'prototype'
  /** d of a learned embedding */
  readonly embeddingDim: number
  /** First values of a trained embedding. auto: orthogonal (random where there are more classes than dimensions) for `learned`, training images for `prototype`. */
  readonly embeddingInit: 'auto' | 'orthogonal' | 'random' | 'prototype'
  readonly head: 'softmax' | 'radial'
  /** σ of the radial head, Eq. 16 */
  readonly radialSigma: number
  /** T, the number of blocks; the methods of continuous time have one network, whatever stands here */
  readonly blocks: number
  /** output channels of the three convolutions of a block */
  readonly channels: readonly [number, number, number]
  /** width of the fully connected layers; the last hidden layer has half of it */
  readonly features: number
  readonly dropout: number
  /** η of Eqs. 8 and 9 */
  readonly eta: number
  /** adam: the weight decay is an L2 term of the gradient; adamw: it is decoupled */
  readonly optimizer: 'adamw' | 'adam'
  readonly weightDecay: number
  /** Draws of noise for each image of a step; for `forward-forward`, which draws none, wrong labels for each image. */
  readonly noiseSamples: number
  /** Steps of the chain in continuous time; for `adjoint` those of the training, too. */
  readonly inferenceSteps: number
  /** How `noprop-ct` runs its chain: by Eq. 3, or by the probability-flow ODE. */
  readonly sampler: 'eq3' | 'ode'
  /** σ of Eq. 11 */
  readonly fmSigma: number
  /** Decay of the moving average of the weights that predicts in place of the weights; 0: none. */
  readonly emaDecay: number
  /** Share of the target that goes to all classes alike. */
  readonly labelSmoothing: number
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
  /** mini-batches of an epoch */
  readonly batches: number
}

/** What the first values of a trained embedding may come from. */
export interface InitialData {
  /** For each class a training image as the network sees it, normalised: [numClasses, height·width·channels]. */
  readonly prototypes: Float32Array
}

/** Runs one of several named programs. */
export type Execute = (program: string, inputs: HostTensors) => Promise<HostTensors>

/** A part of the network that learns alone: a denoising block (1…T), the classifier head (0), or a whole network (1) where its parts do not. */
export interface TrainingUnit {
  readonly block: number
  readonly parameterCount: number
  /** Units with the same key have the same program and differ only in state and inputs, so they can share its compiled form. */
  readonly programKey: string
  /** Optimizer steps of one epoch of `batches` mini-batches: one per batch for a block, T per batch for the head (Algorithm 1). */
  stepsPerEpoch(batches: number): number
  /**
   * Weights, optimizer moments and batch-norm running statistics before the first step; a pure function of its arguments.
   *
   * @throws {ShapeError} the embedding begins with training images, and none are given
   */
  initialState(seed: number, data?: InitialData): HostTensors
  /** One optimizer step on a batch of `batchSize` images. */
  trainingProgram(batchSize: number): Program
  /** Everything the step needs from the host: images, labels, noise, dropout masks, scalars. A pure function of its arguments; the arrays may be reused by the next call. */
  stepInputs(batch: Batch, context: StepContext): HostTensors
  /**
   * Names the outputs of the program as metrics of the contract: denoising_loss, weighted_loss, accuracy, gradient_norm, update_ratio. The head, `backprop` and
   * `adjoint` have cross_entropy in place of the losses; `forward-forward` has positive_goodness and negative_goodness in place of the first.
   */
  readMetrics(outputs: HostTensors): Record<string, number>
  /** Present where a step takes more than one program. */
  readonly assistant?: StepAssistant
  /**
   * Present where the units of the model share weights and so train in turns, block after block, as in Algorithm 1: the state of this unit with the shared
   * weights, and their moments, of the unit that trained before it.
   */
  adoptShared?(own: HostTensors, previous: HostTensors): HostTensors
}

/** Computes inputs of a training program with programs of its own, before every step. They keep no state. */
export interface StepAssistant {
  programs(batchSize: number): Readonly<Record<string, Program>>
  /** @param state of the training program, as it is before the step */
  complete(inputs: HostTensors, state: HostTensors, execute: Execute): Promise<HostTensors>
}

/** Floating-point numbers of one inference batch, by example. */
export interface ChainResult {
  /** class probabilities in the estimate after each reported step: [reported steps][samples][batch × numClasses] */
  readonly estimates: readonly (readonly Float32Array[])[]
  /** class probabilities in the paper's own decoding of z_T: [samples][batch × numClasses] */
  readonly head: readonly Float32Array[]
}

/** The way from an image to a class, for a fixed batch size. Its programs' state is the weights of all units, frozen. */
export interface DenoisingChain {
  readonly programs: Readonly<Record<string, Program>>
  /** Turns the states of the units (key: block; optimizer moments are ignored) into the state of each program. */
  weights(states: ReadonlyMap<number, HostTensors>): Readonly<Record<string, HostTensors>>
  /**
   * @param images normalised pixels, [batch, height, width, channels]
   * @param keys   one number per image that names its random draws (such as its index in the test set)
   */
  run(execute: Execute, images: Float32Array, keys: readonly number[], seed: number): Promise<ChainResult>
}

export interface ChainOptions {
  readonly batchSize: number
  /** One chain per element, all sharing the image path; true: with the noise of the method (of Eq. 3, or of z_0), false: noise-free. */
  readonly samples: readonly boolean[]
}

export interface Model {
  readonly config: ModelConfig
  /** In the order in which they are to be trained. The head, where it learns alone, comes first. */
  readonly units: readonly TrainingUnit[]
  readonly parameters: { readonly total: number; readonly perBlock: number; readonly shared: number }
  /** Floating-point operations (2 × multiply-adds) of the forward pass of one block on one image. */
  readonly flopsPerImage: number
  /** Numbers of the steps after which the chain reports its estimate, rising, the last one last: every block, or up to 20 of many small steps. */
  readonly reportedSteps: readonly number[]
  /** Whether the embedding begins with training images: `initialState` then needs them. */
  readonly needsPrototypes: boolean
  chain(options: ChainOptions): DenoisingChain
}
