import { availableParallelism } from 'node:os'
import type { Checkpoint, CreateRun } from '@noprop/contract'
import type { BenchOptions, Figure } from './bench.ts'
import { type Digits, findDigits } from './digits.ts'
import { runTimes } from './run-times.ts'
import { median } from './statistics.ts'
import { Studio } from './studio.ts'

const mostRounds = 3
/** Of two processes on two cores; of other numbers we have promised nothing. */
const targetOfTwo = 1.85
/** Enough for a block to train some ten seconds, beside which a trainer's start and the compilation of its programs, which do not get less, are little. */
const trainLimit = 24_000

interface Measurement {
  /** from the first training task to the last checkpoint: loading and compiling in each trainer counts, the start of the server and evaluations do not */
  readonly training: number
  /** from the request to the end of the run, trainers started and evaluation included */
  readonly whole: number
  /** what of each unit is kept at the end */
  readonly weights: string
}

/**
 * How much faster a run with independent blocks is with a trainer for each core than with one, and whether its weights are the same bits: the two in turns, each
 * in a server of its own; a ratio is the median of those of the rounds.
 */
export async function benchTrainers({ rounds }: BenchOptions): Promise<Figure[]> {
  const trainers = availableParallelism()
  if (trainers === 1) return [{ name: 'trainers', detail: 'this machine has one core, so that there is nothing to compare' }]
  const digits = await findDigits()
  // as many blocks for each trainer, and some
  const config = { blocks: trainers * Math.ceil(4 / trainers), epochs: 1, train_limit: trainLimit, validation_size: 0 }
  const request: CreateRun = { dataset: digits.dataset, preset: 'quick', config }
  const [alone, together]: [Measurement[], Measurement[]] = [[], []]
  for (let round = 0; round < Math.min(rounds, mostRounds); round++) {
    alone.push(await measure(1, request, digits))
    together.push(await measure(trainers, request, digits))
  }
  return [{ name: 'trainers/run', detail: request }, ...figuresOf(trainers, alone, together)]
}

async function measure(trainers: number, request: CreateRun, { datasetsDir }: Digits): Promise<Measurement> {
  return Studio.with({ trainers, datasetsDir }, async (studio) => {
    const run = await studio.train(request)
    const { trainingStarted, trainingEnded } = runTimes(await studio.events(run.id))
    return {
      training: (trainingEnded! - trainingStarted!) / 1000,
      whole: (Date.parse(run.finished_at!) - Date.parse(run.created_at)) / 1000,
      weights: weightsOf(await studio.list<Checkpoint>(`/v1/runs/${run.id}/checkpoints`)),
    }
  })
}

/** The checkpoints by the SHA-256 of their files, whatever their ids are. */
function weightsOf(checkpoints: readonly Checkpoint[]): string {
  return checkpoints
    .map(({ block, epoch, step, sha256 }) => `block ${block}, epoch ${epoch}, step ${step}: ${sha256}`)
    .sort()
    .join('\n')
}

function figuresOf(trainers: number, alone: readonly Measurement[], together: readonly Measurement[]): Figure[] {
  const figure = (name: string, rounds: readonly number[], unit: string): Figure => ({
    name: `trainers/${name}`,
    value: median(rounds),
    unit,
    rounds,
  })
  const speedUp = (key: 'training' | 'whole') => alone.map((one, i) => one[key] / together[i]![key])
  const seconds = (measurements: readonly Measurement[], key: 'training' | 'whole') => measurements.map((one) => one[key])
  const results = new Set([...alone, ...together].map(({ weights }) => weights))
  return [
    figure('1 process, training', seconds(alone, 'training'), 's'),
    figure(`${trainers} processes, training`, seconds(together, 'training'), 's'),
    { ...figure(`1 → ${trainers} processes, training`, speedUp('training'), '×'), ...(trainers === 2 && { target: targetOfTwo }) },
    figure('1 process, whole run', seconds(alone, 'whole'), 's'),
    figure(`${trainers} processes, whole run`, seconds(together, 'whole'), 's'),
    figure(`1 → ${trainers} processes, whole run`, speedUp('whole'), '×'),
    {
      name: 'trainers/different weights',
      value: results.size,
      unit: `among ${alone.length + together.length} runs, by the SHA-256 of every checkpoint`,
      atMost: 1,
      detail: [...results],
    },
  ]
}
