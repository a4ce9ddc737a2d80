import type { PrepareResult } from '@noprop/contract'

/** What a run trains, and whether at the same time. */
export type TrainingPlan = Pick<PrepareResult, 'units' | 'in_turn'>

/** Whether the progress of a unit counts: that of the shared head (0) does not, whose steps cost next to nothing. */
export const isBlock = (unit: number) => unit > 0

/** Optimizer steps of a whole run, without those of the shared head. */
export function stepsOfRun({ units, steps_per_epoch }: Pick<PrepareResult, 'units' | 'steps_per_epoch'>, epochs: number): number {
  return units.filter(isBlock).length * epochs * steps_per_epoch
}
