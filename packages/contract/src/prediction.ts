import Type from 'typebox'
import { RunId } from './identifiers.ts'

const Probabilities = Type.Array(Type.Number({ minimum: 0, maximum: 1 }), { description: 'one per class; they sum to 1' })

/** The decision after one step of the chain. */
export const ChainStep = Type.Object({
  step: Type.Integer({ minimum: 1, description: 'number of the step; in discrete time that of its block' }),
  label: Type.String(),
  probabilities: Probabilities,
})
export type ChainStep = Type.Static<typeof ChainStep>

export const Prediction = Type.Object({
  label: Type.String(),
  index: Type.Integer({ minimum: 0 }),
  probability: Type.Number({ minimum: 0, maximum: 1 }),
  probabilities: Probabilities,
  chain: Type.Optional(
    Type.Array(ChainStep, {
      description: 'class distribution in the estimate after each block, or after up to 20 of many small steps, from the first to the last',
    }),
  ),
  head: Type.Optional(
    Type.Object(
      { label: Type.String(), probabilities: Probabilities },
      { description: "the paper's decoding of z_T: the classifier head, or for noprop-fm the nearest class embedding" },
    ),
  ),
  input: Type.Optional(
    Type.Object(
      { png_b64: Type.String(), inverted: Type.Boolean(), cropped: Type.Boolean() },
      { description: 'what the network saw: a PNG in base64, and what the preprocessing did' },
    ),
  ),
})
export type Prediction = Type.Static<typeof Prediction>

export const PredictOptions = {
  run_id: Type.Optional(RunId),
  return_chain: Type.Optional(Type.Boolean({ default: false })),
  return_input: Type.Optional(Type.Boolean({ default: false })),
  seed: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 4294967295,
      default: 0,
      description: 'of the noise, for noise: true; image i of a request has draws of its own. The noise-free chain draws nothing',
    }),
  ),
  noise: Type.Optional(Type.Boolean({ default: false, description: 'add the noise of Eq. 3 in every step' })),
  draws: Type.Optional(
    Type.Unsafe<1 | 4 | 16>({
      type: 'integer',
      enum: [1, 4, 16],
      default: 1,
      description:
        'with noise: true, chains with draws of their own for every image, whose class probabilities are averaged. They share the image path, which is most of the work',
    }),
  ),
}

/** Body of a JSON prediction. Images are base64 of a PNG, JPEG or WebP file. */
export const PredictRequest = Type.Object(
  {
    instances: Type.Array(Type.Object({ b64: Type.String({ minLength: 1 }) }, { additionalProperties: false }), {
      minItems: 1,
      maxItems: 64,
    }),
    ...PredictOptions,
  },
  { additionalProperties: false },
)
export type PredictRequest = Type.Static<typeof PredictRequest>

export const PredictResponse = Type.Object({
  predictions: Type.Array(Prediction),
  run_id: RunId,
  device: Type.String(),
  timings: Type.Object({
    decode_seconds: Type.Number({ minimum: 0 }),
    chain_seconds: Type.Number({ minimum: 0 }),
    total_seconds: Type.Number({ minimum: 0 }),
  }),
})
export type PredictResponse = Type.Static<typeof PredictResponse>
