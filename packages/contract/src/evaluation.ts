import Type from 'typebox'
import { EvaluationId, RunId, Timestamp } from './identifiers.ts'

export const Split = Type.Enum(['validation', 'test'])
export type Split = Type.Static<typeof Split>

/** Accuracy of the chain run one way: with the noise of the method (of Eq. 3, or of z_0), or without it. */
export const ChainAccuracy = Type.Object({
  after_step: Type.Array(Type.Number({ minimum: 0, maximum: 1 }), {
    description: 'accuracy of the class read from the estimate after each of the steps that chain_steps lists',
  }),
  head: Type.Number({
    minimum: 0,
    maximum: 1,
    description: "accuracy of the paper's decoding of z_T: the classifier head, or for noprop-fm the nearest class embedding",
  }),
})
export type ChainAccuracy = Type.Static<typeof ChainAccuracy>

export const EvaluationFacts = Type.Object({
  epoch: Type.Integer({ minimum: 0 }),
  split: Split,
  examples: Type.Integer({ minimum: 1 }),
  accuracy: Type.Number({ minimum: 0, maximum: 1, description: 'noise-free chain, class read from the last estimate' }),
  loss: Type.Number({ description: 'mean cross-entropy of the last estimate in the noise-free chain, in nats' }),
  chain_steps: Type.Array(Type.Integer({ minimum: 1 }), {
    description: 'numbers of the steps that after_step speaks of: every block, or up to 20 of many small steps',
  }),
  noise_free: ChainAccuracy,
  noisy: ChainAccuracy,
  confusion_matrix: Type.Array(Type.Array(Type.Integer({ minimum: 0 })), { description: 'row: true class, column: predicted class' }),
  seconds: Type.Number({ minimum: 0, description: 'compute time, summed over the trainers that shared it' }),
})
export type EvaluationFacts = Type.Static<typeof EvaluationFacts>

export const Evaluation = Type.Object({
  id: EvaluationId,
  run_id: RunId,
  ...EvaluationFacts.properties,
  created_at: Timestamp,
})
export type Evaluation = Type.Static<typeof Evaluation>
