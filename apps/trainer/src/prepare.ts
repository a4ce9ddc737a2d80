import type { PrepareResult, PrepareTask } from '@noprop/contract'
import type { TrainingUnit } from '@noprop/noprop'
import type { EventReporter } from './event-reporter.ts'
import { TrainerError } from './failure.ts'
import { choosePrototypes } from './prototypes.ts'
import { TaskStopped } from './run-task.ts'
import { modelOf, selectExamples, takesTurns, type TaskContext } from './task-context.ts'

/** Gets the data onto this machine, checks that the run fits it, and counts what there is to do. */
export async function prepare(task: PrepareTask, context: TaskContext, reporter: EventReporter): Promise<PrepareResult> {
  const { config } = task
  const dataset = await context.dataset(task.dataset, reporter)
  const examples = selectExamples(dataset, config)
  const batches = Math.floor(examples.train.length / config.batch_size)
  if (batches < 1) {
    throw new TrainerError(
      'TOO_FEW_EXAMPLES',
      'user',
      `${examples.train.length} training images are left after the limit and the validation split, fewer than one batch of ${config.batch_size}`,
    )
  }
  const device = await context.device(config)
  const model = modelOf(config, dataset)
  const prototypes = model.needsPrototypes
    ? await choosePrototypes(dataset, examples.train, () => {
        if (context.isStopRequested()) throw new TaskStopped(null)
      })
    : null
  const stepsOf = (unit: TrainingUnit | undefined) => unit?.stepsPerEpoch(batches) ?? 0
  return {
    kind: 'prepare',
    data_sha256: dataset.sha256,
    train_examples: examples.train.length,
    validation_examples: examples.validation.length,
    test_examples: examples.test.length,
    steps_per_epoch: stepsOf(model.units.find(({ block }) => block > 0)),
    steps_per_epoch_shared: stepsOf(model.units.find(({ block }) => block === 0)),
    parameters: { total: model.parameters.total, per_block: model.parameters.perBlock, shared: model.parameters.shared },
    units: model.units.map((unit) => unit.block),
    in_turn: takesTurns(model),
    chain_steps: [...model.reportedSteps],
    prototypes,
    device: device.detail,
    versions: { node: process.versions.node },
  }
}
