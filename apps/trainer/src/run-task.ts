import { assertExhaustive, type CheckpointFacts, type Task, type TaskResult } from '@noprop/contract'
import { evaluate } from './evaluate.ts'
import type { EventReporter } from './event-reporter.ts'
import { prepare } from './prepare.ts'
import type { TaskContext } from './task-context.ts'
import { trainBlock } from './train-block.ts'

/** Thrown out of a task that was asked to stop; carries the checkpoint it left, if it has one. */
export class TaskStopped extends Error {
  readonly checkpoint: CheckpointFacts | null

  constructor(checkpoint: CheckpointFacts | null) {
    super('the task was asked to stop')
    this.checkpoint = checkpoint
  }
}

export function runTask(task: Task, context: TaskContext, reporter: EventReporter): Promise<TaskResult> {
  switch (task.kind) {
    case 'prepare':
      return prepare(task, context, reporter)
    case 'train':
      return trainBlock(task, context, reporter)
    case 'evaluate':
      return evaluate(task, context)
    default:
      return assertExhaustive(task)
  }
}
