import { monotonicFactory } from 'ulid'

const nextUlid = monotonicFactory()

/** A new identifier of the contract; those of one process sort in the order in which they were made. */
export function newId(prefix: 'run' | 'task' | 'ckpt' | 'eval'): string {
  return `${prefix}_${nextUlid().toLowerCase()}`
}
