import type { ChainAccuracy, EvaluateResult, EvaluationFacts, Split } from '@noprop/contract'

/**
 * Adds the shards of an evaluation. They are of one model, so their arrays have equal lengths; there is at least one.
 *
 * @param chainSteps the steps of the chain that the shards counted after
 */
export function mergeEvaluation(
  epoch: number,
  split: Split,
  shards: readonly EvaluateResult[],
  chainSteps: readonly number[],
): EvaluationFacts {
  const examples = sum(shards.map(({ count }) => count))
  const noiseFree = chainAccuracy(
    shards.map((shard) => shard.noise_free),
    examples,
  )
  return {
    epoch,
    split,
    examples,
    accuracy: noiseFree.after_step.at(-1)!,
    loss: sum(shards.map(({ loss_sum }) => loss_sum)) / examples,
    chain_steps: [...chainSteps],
    noise_free: noiseFree,
    noisy: chainAccuracy(
      shards.map((shard) => shard.noisy),
      examples,
    ),
    confusion_matrix: shards[0]!.confusion_matrix.map((row, i) =>
      row.map((_, j) => sum(shards.map((shard) => shard.confusion_matrix[i]![j]!))),
    ),
    seconds: sum(shards.map(({ seconds }) => seconds)),
  }
}

/** The metrics of a run that an evaluation sets: `test_accuracy`, `validation_loss`, …; `_noisy` is the paper's decoding, the head on the noisy z_T. */
export function evaluationMetrics({ split, accuracy, noisy, noise_free, loss }: EvaluationFacts): Record<string, number> {
  return {
    [`${split}_accuracy`]: accuracy,
    [`${split}_accuracy_noisy`]: noisy.head,
    [`${split}_accuracy_noise_free_head`]: noise_free.head,
    [`${split}_loss`]: loss,
  }
}

function chainAccuracy(counts: readonly EvaluateResult['noisy'][], examples: number): ChainAccuracy {
  return {
    after_step: counts[0]!.correct_after_step.map((_, i) => sum(counts.map((count) => count.correct_after_step[i]!)) / examples),
    head: sum(counts.map(({ correct_head }) => correct_head)) / examples,
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
