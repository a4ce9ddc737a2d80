import Type from 'typebox'

export const Method = Type.Enum(['noprop-dt'], { title: 'Training method' })
export type Method = Type.Static<typeof Method>

export const EmbeddingKind = Type.Enum(['one-hot'], { title: 'Label embedding' })
export type EmbeddingKind = Type.Static<typeof EmbeddingKind>

export const DeviceName = Type.Enum(['cpu', 'tensorflow', 'reference'], { title: 'What executes the training step' })
export type DeviceName = Type.Static<typeof DeviceName>

export const DatasetName = Type.Enum(['mnist', 'synthetic-digits'], { title: 'Dataset' })
export type DatasetName = Type.Static<typeof DatasetName>

/** Everything that decides the result of a run, in full. The same config, seed and data give the same weights, bit for bit, on the `cpu` device. */
export const RunConfig = Type.Object(
  {
    method: Method,
    embedding: EmbeddingKind,
    blocks: Type.Integer({ minimum: 1, maximum: 100, description: 'T, the number of denoising blocks' }),
    channels: Type.Array(Type.Integer({ minimum: 1, maximum: 256 }), {
      minItems: 3,
      maxItems: 3,
      description: 'output channels of the three 3×3 convolutions of a block; the paper has [32, 64, 128]',
    }),
    features: Type.Integer({ minimum: 8, maximum: 1024, description: 'width of the fully connected layers of a block; the paper has 256' }),
    dropout: Type.Number({ minimum: 0, maximum: 0.9, description: 'dropout rate of the image path; the paper has 0.2' }),
    eta: Type.Number({ exclusiveMinimum: 0, maximum: 1000, description: 'η of Eq. 8' }),
    epochs: Type.Integer({
      minimum: 1,
      maximum: 1000,
      description:
        'passes over the training data, for every block; the images that do not fill the last batch of a pass sit it out, others in each pass',
    }),
    batch_size: Type.Integer({ minimum: 2, maximum: 1024 }),
    learning_rate: Type.Number({ exclusiveMinimum: 0, maximum: 1 }),
    learning_rate_schedule: Type.Enum(['constant', 'cosine'], { description: 'the paper has constant; cosine decays to 0 over the run' }),
    weight_decay: Type.Number({ minimum: 0, maximum: 1, description: 'decoupled, as in AdamW' }),
    noise_samples: Type.Integer({ minimum: 1, maximum: 32, description: 'noise draws per image and step; the paper has 1' }),
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
    blocks: config.blocks,
    channels: [first, second, third],
    features: config.features,
    dropout: config.dropout,
    eta: config.eta,
    weightDecay: config.weight_decay,
    noiseSamples: config.noise_samples,
    imageShape,
    numClasses,
  } as const
}
