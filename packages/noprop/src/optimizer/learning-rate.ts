export interface LearningRateOptions {
  readonly schedule: 'constant' | 'cosine'
  readonly base: number
  /** steps done before this one, 0…totalSteps − 1 */
  readonly step: number
  readonly totalSteps: number
}

/** Learning rate of one step. `cosine` starts at `base` and would reach 0 at `totalSteps`. */
export function learningRateAt({ schedule, base, step, totalSteps }: LearningRateOptions): number {
  if (schedule === 'constant') return base
  return (base / 2) * (1 + Math.cos((Math.PI * Math.min(step, totalSteps)) / totalSteps))
}
