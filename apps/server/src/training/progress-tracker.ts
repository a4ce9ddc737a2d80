import type { PrepareResult, RunConfig, RunProgress } from '@noprop/contract'
import { isBlock, stepsOfRun } from './training-plan.ts'

/** Time over which speed is measured. */
const windowMs = 30_000
/** Metrics that may be the loss of a block, the first one that it reports: the baselines do not denoise. */
const lossNames = ['denoising_loss', 'cross_entropy', 'weighted_loss'] as const
/** Shortest time from which a speed is told. */
const shortestSpanMs = 2000

/** Where the blocks of the active run stand between two reports, and how fast they go. */
export class ProgressTracker {
  readonly #config: Pick<RunConfig, 'epochs' | 'batch_size'>
  readonly #now: () => number
  readonly #steps = new Map<number, number>()
  readonly #losses = new Map<number, number>()
  #samples: { time: number; step: number }[] = []

  /** @param now milliseconds of a clock that nobody sets */
  constructor(config: Pick<RunConfig, 'epochs' | 'batch_size'>, now: () => number = () => performance.now()) {
    this.#config = config
    this.#now = now
  }

  /** A block has done `step` steps from the start of the run; fewer than before where it was set back to a checkpoint. */
  setStep(block: number, step: number) {
    if (!isBlock(block)) return
    // a speed measured across a setback would be wrong
    if (step < (this.#steps.get(block) ?? 0)) this.#samples = []
    this.#steps.set(block, step)
  }

  /** A block has reported `values`, one of which is its loss: the denoising loss, where it has one. */
  setMetrics(block: number, values: Readonly<Record<string, number>>) {
    const name = lossNames.find((candidate) => values[candidate] !== undefined)
    if (isBlock(block) && name) this.#losses.set(block, values[name]!)
  }

  /** Mean of the newest losses of the blocks; null before there is one. */
  trainLoss(): number | null {
    const losses = [...this.#losses.values()]
    return losses.length === 0 ? null : losses.reduce((a, b) => a + b, 0) / losses.length
  }

  /**
   * @param epoch    epochs that every unit has finished
   * @param prepared null before the data is known
   */
  progress(epoch: number, prepared: Pick<PrepareResult, 'units' | 'steps_per_epoch'> | null): RunProgress {
    const { epochs, batch_size: batchSize } = this.#config
    const step = [...this.#steps.values()].reduce((a, b) => a + b, 0)
    const steps = prepared && stepsOfRun(prepared, epochs)
    const stepsPerSecond = this.#speed(step)
    return {
      epoch,
      epochs,
      step,
      steps,
      // the last evaluation is still to come when all steps are done
      fraction: steps ? Math.min(step / steps, 0.99) : 0,
      images_per_second: stepsPerSecond === null ? null : Math.round(stepsPerSecond * batchSize * 10) / 10,
      eta_seconds: steps === null || !stepsPerSecond ? null : Math.max(0, Math.round((steps - step) / stepsPerSecond)),
    }
  }

  /** Steps per second over the window; null while there is too little to measure. */
  #speed(step: number): number | null {
    const time = this.#now()
    this.#samples = this.#samples.filter((sample) => time - sample.time <= windowMs)
    this.#samples.push({ time, step })
    const oldest = this.#samples[0]!
    if (time - oldest.time < shortestSpanMs) return null
    return Math.max(0, step - oldest.step) / ((time - oldest.time) / 1000)
  }
}
