import { availableParallelism } from 'node:os'
import type { CreateRun, System } from '@noprop/contract'
import type { BenchOptions, Figure } from './bench.ts'
import { type Digits, findDigits } from './digits.ts'
import { peakMemory } from './peak-memory.ts'
import { median } from './statistics.ts'
import { Studio } from './studio.ts'

const mostRounds = 2
const presets = ['quick', 'paper-dt-mnist-onehot']
/** What a trainer holds does not grow from step to step, so that a short run shows it: an epoch, its checkpoints, and evaluations of the whole chain. */
const shortened = { epochs: 1, train_limit: 4_000, test_limit: 5_000, validation_size: 0 }

interface Peaks {
  readonly server: number
  readonly trainers: readonly number[]
}

/** The most memory that server and trainers take for a run, each as the system has counted it over the life of the process (VmHWM: resident pages, shared ones included). */
export async function benchMemory({ rounds }: BenchOptions): Promise<Figure[]> {
  if (process.platform !== 'linux') return [{ name: 'memory', detail: 'only Linux tells the peak of another process' }]
  const digits = await findDigits()
  const figures: Figure[] = []
  for (const preset of presets) {
    const peaks: Peaks[] = []
    for (let round = 0; round < Math.min(rounds, mostRounds); round++) peaks.push(await measure(preset, digits))
    figures.push(...figuresOf(preset, peaks))
  }
  return [{ name: 'memory/runs', detail: { dataset: digits.dataset, ...shortened } }, ...figures]
}

async function measure(preset: string, { dataset, datasetsDir }: Digits): Promise<Peaks> {
  return Studio.with({ datasetsDir }, async (studio) => {
    const request: CreateRun = { dataset, preset, config: shortened }
    await studio.train(request)
    // trainers stay for a while when there is nothing left to do
    const { trainers } = await studio.get<System>('/v1/system')
    return { server: peakMemory(studio.pid)!, trainers: trainers.flatMap(({ pid }) => (pid === null ? [] : [peakMemory(pid)!])) }
  })
}

function figuresOf(preset: string, peaks: readonly Peaks[]): Figure[] {
  const figure = (name: string, valueOf: (peaks: Peaks) => number): Figure => {
    const rounds = peaks.map(valueOf)
    return { name: `memory/${preset}/${name}`, value: median(rounds), unit: 'MiB', rounds }
  }
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  return [
    ...Array.from({ length: availableParallelism() }, (_, slot) => figure(`trainer ${slot}`, ({ trainers }) => trainers[slot] ?? 0)),
    figure('all trainers', ({ trainers }) => sum(trainers)),
    figure('server', ({ server }) => server),
    figure('server and trainers', ({ server, trainers }) => server + sum(trainers)),
  ]
}
