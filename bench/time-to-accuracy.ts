import { availableParallelism } from 'node:os'
import type { Preset } from '@noprop/contract'
import { datasetCatalog } from '@noprop/datasets'
import type { BenchOptions, Figure } from './bench.ts'
import { findDigits } from './digits.ts'
import { reachedAt, type RunTimes, runTimes } from './run-times.ts'
import { median } from './statistics.ts'
import { Studio } from './studio.ts'

/** Seconds that a cold start may take to an accuracy, with the fastest of the quick presets. */
const targets = [
  { accuracy: 0.98, seconds: 30 },
  { accuracy: 0.99, seconds: 120 },
] as const
type Target = (typeof targets)[number]

const mostSeeds = 3
/** Training, before which the estimate of the time that is left is worth little. */
const estimateAfterSeconds = 20

interface ColdRun {
  readonly preset: string
  readonly seed: number
  readonly startedAt: number
  readonly times: RunTimes
  readonly endedAt: number
  /** the whole time that the run would have taken, where that was too long and it was canceled */
  readonly estimatedSeconds: number | null
}

/**
 * Seconds from the start of the server's process to the moment at which its API tells an accuracy on all images of the test set, for every quick preset as it
 * is. The data folder is empty, the files of MNIST lie in another one, and no trainer runs: what is counted is the start of server and trainers, unpacking and
 * checking the data, compiling, training, and every evaluation up to that one. Once for each preset, and with more seeds for those that were the fastest.
 */
export async function benchTimeToAccuracy(options: BenchOptions): Promise<Figure[]> {
  const { datasetsDir, reason } = await findDigits()
  if (reason) return [{ name: 'time-to-accuracy', detail: reason }]
  const runs: ColdRun[] = []
  const train = async (preset: string, seed: number) => runs.push(await startCold(preset, seed, options.limitSeconds, datasetsDir))
  for (const preset of await quickPresets()) await train(preset, 1)

  const fastest = targets.map((target) => fastestFor(target, runs))
  for (const preset of new Set(fastest)) {
    for (let seed = 2; preset && seed <= Math.min(options.rounds, mostSeeds); seed++) await train(preset, seed)
  }
  const presets = [...new Set(runs.map(({ preset }) => preset))]
  const runsOf = (name: string) => runs.filter(({ preset }) => preset === name)
  return [
    ...presets.flatMap((preset) => targets.map((target) => figureOf(target, preset, runsOf(preset)))),
    ...targets.map((target, i): Figure => {
      const preset = fastest[i]
      if (!preset) return { name: nameOf(target, 'fastest preset'), detail: `none reached it within ${options.limitSeconds} s` }
      return { ...figureOf(target, 'fastest preset', runsOf(preset)), atMost: target.seconds }
    }),
  ]
}

/** Those whose accuracy means something: they are evaluated on the whole test set. */
async function quickPresets(): Promise<string[]> {
  const { items } = await Studio.with({}, (studio) => studio.get<{ items: Preset[] }>('/v1/presets'))
  return items.filter(({ group, config }) => group === 'quick' && config.test_limit === null).map(({ name }) => name)
}

async function startCold(preset: string, seed: number, limitSeconds: number, datasetsDir: string | undefined): Promise<ColdRun> {
  return Studio.with({ datasetsDir }, async (studio) => {
    const { startedAt } = studio
    const { id } = await studio.startRun({ dataset: 'mnist', preset, config: { seed } })
    let estimatedSeconds: number | null = null
    let trainingSince = Infinity
    const run = await studio.untilEnd(id, async ({ status, progress }) => {
      if (status !== 'running' || estimatedSeconds !== null) return
      const now = Date.now()
      trainingSince = Math.min(trainingSince, now)
      const whole = (now - startedAt) / 1000 + (progress.eta_seconds ?? 0)
      if (now - trainingSince < estimateAfterSeconds * 1000 || whole <= limitSeconds) return
      estimatedSeconds = whole
      await studio.post(`/v1/runs/${id}/cancel`)
    })
    if (run.status === 'failed') throw new Error(`the run of ${preset} failed: ${run.status_reason}`)
    const times = runTimes(await studio.events(id), datasetCatalog.mnist.testExamples)
    return { preset, seed, startedAt, times, endedAt: Date.parse(run.finished_at!), estimatedSeconds }
  })
}

/** Seconds to an accuracy; infinitely many where the run did not reach it. */
function secondsTo({ accuracy }: Target, { startedAt, times }: ColdRun): number {
  const at = reachedAt(times, accuracy)
  return at === null ? Infinity : (at - startedAt) / 1000
}

function fastestFor(target: Target, runs: readonly ColdRun[]): string | undefined {
  const reached = runs.filter((run) => Number.isFinite(secondsTo(target, run)))
  return reached.sort((a, b) => secondsTo(target, a) - secondsTo(target, b))[0]?.preset
}

function nameOf({ accuracy }: Target, title: string): string {
  return `time-to-accuracy/${title}, ${accuracy * 100} %`
}

/** The median over the seeds; no value where that is none. */
function figureOf(target: Target, title: string, runs: readonly ColdRun[]): Figure {
  const rounds = runs.map((run) => secondsTo(target, run))
  const value = median(rounds)
  const detail = runs.map(story)
  const name = nameOf(target, title)
  return Number.isFinite(value) ? { name, value, unit: `s on ${availableParallelism()} cores`, rounds, detail } : { name, detail }
}

/** Where the time of a run went, in seconds since the start of the server's process. */
function story({ preset, seed, startedAt, times, endedAt, estimatedSeconds }: ColdRun) {
  const since = (at: number | null) => (at === null ? null : Math.round((at - startedAt) / 100) / 10)
  return {
    preset,
    seed,
    training_from: since(times.trainingStarted),
    training_to: since(times.trainingEnded),
    evaluations: times.evaluations.map(({ at, accuracy }) => ({ at: since(at), accuracy })),
    ended: since(endedAt),
    ...(estimatedSeconds !== null && { canceled: `it would have taken about ${Math.round(estimatedSeconds)} s` }),
  }
}
