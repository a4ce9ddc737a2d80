/** @file How a chain of very many steps is cut: into chunks that are one run of a program each, and into stretches after which it reports its estimate. */

export interface StepPlan {
  /** N, steps of the whole chain */
  readonly steps: number
  /** steps that one run of the program does */
  readonly stepsPerChunk: number
  readonly chunks: number
  readonly chunksPerReport: number
  /** numbers of the steps after which the chain reports: at most 20, equally spaced, the last one N */
  readonly reported: readonly number[]
}

const mostReports = 20

/**
 * Everything is cut by divisors of N, so that all chunks are one program. A prime N above 20 has only its end to report, in runs of one step.
 *
 * @param mostSteps of one run: the program holds each of its steps apart
 */
export function planSteps(steps: number, mostSteps: number): StepPlan {
  const divisors = Array.from({ length: steps }, (_, i) => i + 1).filter((n) => steps % n === 0)
  const spacing = divisors.find((n) => n * mostReports >= steps)!
  const stepsPerChunk = divisors.findLast((n) => spacing % n === 0 && n <= mostSteps)!
  return {
    steps,
    stepsPerChunk,
    chunks: steps / stepsPerChunk,
    chunksPerReport: spacing / stepsPerChunk,
    reported: Array.from({ length: steps / spacing }, (_, i) => (i + 1) * spacing),
  }
}
