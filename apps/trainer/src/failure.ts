import type { Failure, Task } from '@noprop/contract'

/** Base class of what goes wrong in a trainer, with a stable code. */
export class TrainerError extends Error {
  readonly code: string
  readonly kind: Failure['kind']

  constructor(code: string, kind: Failure['kind'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.kind = kind
  }
}

/** Codes of other packages and of the operating system that no retry mends. */
const kindOfCode: Readonly<Record<string, Failure['kind']>> = {
  MODEL_CONFIG: 'user',
  DATASET_UNAVAILABLE: 'resource',
  DATASET_CORRUPT: 'resource',
  DEVICE_UNAVAILABLE: 'resource',
  ENOSPC: 'resource',
  EDQUOT: 'resource',
  EACCES: 'resource',
  EROFS: 'resource',
  ERR_WORKER_OUT_OF_MEMORY: 'resource',
}

/** An error as data, for the other side of a process boundary. */
export function failureOf(error: unknown, task: Task): Failure {
  const block = task.kind === 'train' ? { block: task.block } : {}
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof TrainerError) return { kind: error.kind, code: error.code, message, ...block }
  const code = String((error as { code?: unknown } | null)?.code ?? 'TRAINER_ERROR')
  return { kind: kindOfCode[code] ?? 'infrastructure', code, message, ...block }
}
