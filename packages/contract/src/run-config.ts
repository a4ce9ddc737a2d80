import Type from 'typebox'

export const Method = Type.Enum(['noprop-dt', 'noprop-ct', 'noprop-fm', 'backprop', 'adjoint', 'forward-forward'], {
  title: 'Training method',
  description: 'NoProp in discrete time, in continuous time, or by flow matching; or a baseline that trains the same blocks otherwise',
})
export type Method = Type.Static<typeof Method>

export const EmbeddingKind = Type.Enum(['one-hot', 'learned', 'prototype'], {
  title: 'Label embedding',
  description: 'one-hot is fixed; learned and prototype (as long as an image has pixels) are trained, and shared by all blocks',
})
export type EmbeddingKind = Type.Static<typeof EmbeddingKind>

export const DeviceName = Type.Enum(['cpu', 'tensorflow', 'reference'], { title: 'What executes the training step' })
export type DeviceName = Type.Static<typeof DeviceName>

export const DatasetName = Type.Enum(['mnist', 'fashion-mnist', 'cifar-10', 'cifar-100', 'synthetic-digits'], { title: 'Dataset' })
export type DatasetName = Type.Static<typeof DatasetName>

/** Everything that decides the result of a run, in full. The same config, seed and data give the same weights, bit for bit, on the `cpu` device. */
export const RunConfig = Type.Object(
  {
    method: Method,
    embedding: EmbeddingKind,
    embedding_dim: Type.Integer({ minimum: 2, maximum: 1024, description: 'dimension of a learned embedding; the paper has 20' }),
    embedding_init: Type.Enum(['auto', 'orthogonal', 'random', 'prototype'], {
      description:
        'first values of a trained embedding; auto: orthogonal where possible for learned, for prototype the training image of each class with the smallest median distance to the others',
    }),
    head: Type.Enum(['softmax', 'radial'], { description: 'how the class is read from the last latent; radial is Eqs. 15 and 16' }),
    radial_sigma: Type.Number({ exclusiveMinimum: 0, maximum: 100, description: 'σ of the radial head' }),
    blocks: Type.Integer({
      minimum: 1,
      maximum: 100,
      description: 'T, the number of blocks; noprop-ct, noprop-fm and adjoint have one network, whatever stands here',
    }),
    inference_steps: Type.Integer({
      minimum: 1,
      maximum: 1000,
      description: 'steps of the chain for noprop-ct, noprop-fm and adjoint (there in training, too); the paper has 1000',
    }),
    sampler: Type.Enum(['eq3', 'ode'], { description: 'how noprop-ct runs its chain: by Eq. 3, or by the probability-flow ODE' }),
    fm_sigma: Type.Number({ minimum: 0, maximum: 1, description: 'σ of Eq. 11, for noprop-fm' }),
    channels: Type.Array(Type.Integer({ minimum: 1, maximum: 256 }), {
      minItems: 3,
      maxItems: 3,
      description: 'output channels of the three 3×3 convolutions of a block; the paper has [32, 64, 128]',
    }),
    features: Type.Integer({ minimum: 8, maximum: 1024, description: 'width of the fully connected layers of a block; the paper has 256' }),
    dropout: Type.Number({ minimum: 0, maximum: 0.9, description: 'dropout rate of the image path; the paper has 0.2' }),
    eta: Type.Number({ exclusiveMinimum: 0, maximum: 1000, description: 'η of Eqs. 8 and 9' }),
    epochs: Type.Integer({
      minimum: 1,
      maximum: 1000,
      description:
        'passes over the training data, for every block; the images that do not fill the last batch of a pass sit it out, others in each pass',
    }),
    batch_size: Type.Integer({ minimum: 2, maximum: 1024 }),
    learning_rate: Type.Number({ exclusiveMinimum: 0, maximum: 1 }),
    learning_rate_schedule: Type.Enum(['constant', 'cosine'], { description: 'the paper has constant; cosine decays to 0 over the run' }),
    optimizer: Type.Enum(['adamw', 'adam'], { description: 'the paper has adamw for noprop-dt and adam for noprop-ct and noprop-fm' }),
    weight_decay: Type.Number({ minimum: 0, maximum: 1, description: 'decoupled with adamw, an L2 term of the gradient with adam' }),
    noise_samples: Type.Integer({ minimum: 1, maximum: 32, description: 'noise draws per image and step; the paper has 1' }),
    augmentation: Type.Enum(['none', 'crop', 'flip-crop'], {
      description: 'of the training images: random crops of the padded image, and mirror images; the paper has none',
    }),
    ema_decay: Type.Number({
      minimum: 0,
      maximum: 0.9999,
      description: 'ours: predict with a moving average of the weights that decays like this at every step; 0: with the weights',
    }),
    label_smoothing: Type.Number({ minimum: 0, maximum: 0.5, description: 'ours: share of the target that goes to all classes alike' }),
    seed: Type.Integer({ minimum: 0, maximum: 4294967295 }),
    train_limit: Type.Union([Type.Integer({ minimum: 2 }), Type.Null()], { description: 'use only this many training images; null: all' }),
    test_limit: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()], { description: 'use only this many test images; null: all' }),
    validation_size: Type.Integer({ minimum: 0, maximum: 50000, description: 'training images held out for validation' }),
    evaluation_interval: Type.Integer({
      minimum: 1,
      maximum: 1000,
      description:
        'epochs between evaluations, on the validation split (on the test split where validation_size is 0); the last epoch is always evaluated on the test split',
    }),
    metrics_interval: Type.Integer({ minimum: 1, maximum: 100000, description: 'steps between two reports of a block' }),
    device: DeviceName,
  },
  { additionalProperties: false, title: 'Run configuration' },
)
export type RunConfig = Type.Static<typeof RunConfig>

/** Fields that a request overrides; the rest comes from the preset. */
export const RunConfigOverrides = Type.Partial(RunConfig, { additionalProperties: false, title: 'Overrides of the preset' })
export type RunConfigOverrides = Type.Static<typeof RunConfigOverrides>

interface DataShape {
  /** [height, width, channels] */
  readonly imageShape: readonly [number, number, number]
  readonly numClasses: number
}

/** The part of a configuration that decides the network and the loss of its blocks, in the names of the learning library, for images of a data set. */
export function networkOf(config: RunConfig, { imageShape, numClasses }: DataShape) {
  const [first, second, third] = config.channels as [number, number, number]
  return {
    method: config.method,
    embedding: config.embedding,
    embeddingDim: config.embedding_dim,
    embeddingInit: config.embedding_init,
    head: config.head,
    radialSigma: config.radial_sigma,
    blocks: config.blocks,
    channels: [first, second, third],
    features: config.features,
    dropout: config.dropout,
    eta: config.eta,
    optimizer: config.optimizer,
    weightDecay: config.weight_decay,
    noiseSamples: config.noise_samples,
    inferenceSteps: config.inference_steps,
    sampler: config.sampler,
    fmSigma: config.fm_sigma,
    emaDecay: config.ema_decay,
    labelSmoothing: config.label_smoothing,
    imageShape,
    numClasses,
  } as const
}
