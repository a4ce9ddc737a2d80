import type { EvaluateResult } from '@noprop/contract'
import { expect, test } from 'vitest'
import { evaluationMetrics, mergeEvaluation } from './merge-evaluation.ts'

const shard = (count: number, correct: [number, number], head: number): EvaluateResult => ({
  kind: 'evaluate',
  count,
  loss_sum: count * 0.25,
  noise_free: { correct_after_step: correct, correct_head: head },
  noisy: { correct_after_step: [0, 1], correct_head: head - 1 },
  confusion_matrix: [
    [correct[1], 0],
    [count - correct[1], 0],
  ],
  seconds: 1.5,
})

test('shards add up to what one pass over all examples would give', () => {
  const facts = mergeEvaluation(3, 'test', [shard(6, [3, 5], 4), shard(2, [1, 1], 2)], [50, 100])
  expect(facts).toEqual({
    epoch: 3,
    split: 'test',
    examples: 8,
    accuracy: 0.75,
    loss: 0.25,
    chain_steps: [50, 100],
    noise_free: { after_step: [0.5, 0.75], head: 0.75 },
    noisy: { after_step: [0, 0.25], head: 0.5 },
    confusion_matrix: [
      [6, 0],
      [2, 0],
    ],
    seconds: 3,
  })
})

test('the metrics of a run are named after the split', () => {
  expect(evaluationMetrics(mergeEvaluation(1, 'validation', [shard(4, [1, 2], 3)], [1, 2]))).toEqual({
    validation_accuracy: 0.5,
    validation_accuracy_noisy: 0.5,
    validation_accuracy_noise_free_head: 0.75,
    validation_loss: 0.25,
  })
})
