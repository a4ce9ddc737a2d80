import { isFinal, type RunStatus } from '@noprop/contract'

/** From each status, those that may follow. A final status is followed by none. */
const transitions: Readonly<Record<RunStatus, readonly RunStatus[]>> = {
  queued: ['starting', 'canceled', 'failed'],
  starting: ['running', 'interrupted', 'canceling', 'failed'],
  running: ['interrupted', 'canceling', 'succeeded', 'failed'],
  interrupted: ['starting', 'running', 'canceling', 'failed'],
  canceling: ['canceled'],
  canceled: [],
  succeeded: [],
  failed: [],
}

export const runStatuses = Object.keys(transitions) as RunStatus[]

/** Statuses of the one run that has the trainers. */
export const activeStatuses: readonly RunStatus[] = ['starting', 'running', 'interrupted', 'canceling']

export function canBecome(from: RunStatus, to: RunStatus): boolean {
  return transitions[from].includes(to)
}

/** Whether a cancel changes anything: not for a run that has ended or is being canceled. */
export function canCancel(status: RunStatus): boolean {
  return !isFinal(status) && status !== 'canceling'
}
