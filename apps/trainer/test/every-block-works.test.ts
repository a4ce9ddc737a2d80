/** That no block of NoProp-DT is idle: an estimate is good after every step, and an evaluation would show where it is not. */

import type { EvaluateResult, EvaluateTask, RunConfig, TrainResult } from '@noprop/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { taskBase, temporaryFolder, tinyConfig, TrainerProcess, trainTask } from './trainer-process.ts'

const config: RunConfig = {
  ...tinyConfig,
  blocks: 3,
  channels: [8, 16, 32],
  features: 64,
  noise_samples: 4,
  epochs: 1,
  train_limit: 4000,
  test_limit: 500,
  validation_size: 0,
}
/** With it a block stays what it was before its first step. */
const learnsNothing = 1e-9
const chance = 0.1

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let trainer: TrainerProcess
type Checkpoint = EvaluateTask['checkpoints'][number]

beforeAll(async () => {
  folder = await temporaryFolder()
  trainer = new TrainerProcess()
})
afterAll(async () => {
  await trainer.end()
  await folder.remove()
})

async function train(block: number, learningRate: number): Promise<Checkpoint> {
  const task = trainTask(folder.path, { block, config: { ...config, learning_rate: learningRate } })
  const answer = await trainer.run(task)
  if (answer.type !== 'task_done') throw new Error(JSON.stringify(answer))
  const { sha256 } = (answer.result as TrainResult).checkpoint
  return { block, path: task.checkpoint.path, sha256 }
}

/** Accuracy after each step, both ways. */
async function accuracyAfterSteps(checkpoints: Checkpoint[]) {
  const count = config.test_limit!
  const answer = await trainer.run({ kind: 'evaluate', ...taskBase(config), epoch: 1, split: 'test', offset: 0, count, checkpoints })
  if (answer.type !== 'task_done') throw new Error(JSON.stringify(answer))
  const { noise_free: noiseFree, noisy } = answer.result as EvaluateResult
  const shares = (counts: typeof noisy) => counts.correct_after_step.map((correct) => correct / count)
  return { noiseFree: shares(noiseFree), noisy: shares(noisy) }
}

describe('the blocks of NoProp-DT', () => {
  let trained: Checkpoint[]
  beforeAll(async () => {
    trained = []
    for (const block of [0, 1, 2, 3]) trained.push(await train(block, 4e-3))
  }, 120_000)

  it('each give a good estimate, the first from pure noise: the last one alone does not do the work', async () => {
    const { noiseFree, noisy } = await accuracyAfterSteps(trained)
    for (const accuracies of [noiseFree, noisy]) {
      expect(accuracies.length).toBe(3)
      for (const accuracy of accuracies) expect(accuracy).toBeGreaterThan(0.75)
      expect(Math.max(...accuracies) - Math.min(...accuracies)).toBeLessThan(0.15)
    }
  })

  it('would show, step by step, where only the last one had learned', async () => {
    const [head, , , last] = trained as [Checkpoint, Checkpoint, Checkpoint, Checkpoint]
    const { noiseFree } = await accuracyAfterSteps([head, await train(1, learnsNothing), await train(2, learnsNothing), last])
    expect(noiseFree[0]).toBeLessThan(4 * chance)
    expect(noiseFree[1]).toBeLessThan(4 * chance)
    expect(noiseFree[2]! - Math.max(noiseFree[0]!, noiseFree[1]!)).toBeGreaterThan(0.2)
  }, 120_000)
})
