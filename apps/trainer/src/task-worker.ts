import { parentPort, workerData } from 'node:worker_threads'
import type { Task, TrainerToServer } from '@noprop/contract'
import { createTaskContext } from './task-context.ts'
import { failureOf } from './failure.ts'
import { runTask, TaskStopped } from './run-task.ts'

/** The thread that computes: one task at a time, in the order in which they arrive. */

export type ToWorker = Task

const { stopRequested } = workerData as { stopRequested: Int32Array }
const post = (message: TrainerToServer) => parentPort?.postMessage(message)
const context = createTaskContext({ isStopRequested: () => Atomics.load(stopRequested, 0) === 1, post })

let queue = Promise.resolve()
parentPort?.on('message', (task: ToWorker) => {
  queue = queue.then(() => work(task))
})

async function work(task: Task) {
  const reporter = context.reportFor(task.task_id)
  try {
    const result = await runTask(task, context, reporter)
    reporter.flush()
    post({ type: 'task_done', task_id: task.task_id, result })
  } catch (error) {
    reporter.flush()
    if (error instanceof TaskStopped) {
      post({ type: 'task_stopped', task_id: task.task_id, checkpoint: error.checkpoint })
    } else {
      const stack = error instanceof Error ? (error.stack ?? null) : null
      post({ type: 'task_failed', task_id: task.task_id, failure: failureOf(error, task), stack })
    }
  }
}
