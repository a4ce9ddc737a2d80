import type { DatasetName, EvaluationFacts, RunConfig } from '@noprop/contract'
import { datasetCatalog } from '@noprop/datasets'
import type { PrismaClient } from '../generated/prisma/client.ts'
import { readPrepared } from '../training/prepared-run.ts'
import { isBlock } from '../training/training-plan.ts'
import type { RunCost } from './estimate-run.ts'
import type { PresetDefinition } from './presets.ts'

/** Fields of a configuration that decide how long a step and an evaluated image take. */
const costFields = [
  'method',
  'embedding',
  'embedding_dim',
  'blocks',
  'inference_steps',
  'sampler',
  'channels',
  'features',
  'batch_size',
  'noise_samples',
  'augmentation',
  'ema_decay',
  'device',
] as const satisfies (keyof RunConfig)[]

/** Runs of one preset on one dataset that are looked at: older ones tell less about the machine as it is. */
const newest = 5

interface SucceededRun {
  readonly id: string
  readonly preset: string
  readonly dataset: DatasetName
  readonly config: RunConfig
}

/** What steps and evaluated images really took in the runs that succeeded here. Truer than a calibration: it includes all trainers at work at once. */
export class MeasuredRuns {
  readonly #db: PrismaClient
  readonly #runs: readonly SucceededRun[]
  readonly #costs = new Map<string, Promise<RunCost | null>>()

  private constructor(db: PrismaClient, runs: readonly SucceededRun[]) {
    this.#db = db
    this.#runs = runs
  }

  static async read(db: PrismaClient): Promise<MeasuredRuns> {
    const runs = await db.$queryRaw<SucceededRun[]>`
      SELECT "id", "preset", "dataset", "config" FROM (
        SELECT *, row_number() OVER (PARTITION BY "preset", "dataset" ORDER BY "finishedAt" DESC) AS "age"
        FROM "Run" WHERE "status" = 'succeeded' AND "preset" IS NOT NULL)
      WHERE "age" <= ${newest} ORDER BY "finishedAt" DESC`
    return new MeasuredRuns(db, runs)
  }

  /** From the newest run of the preset, on images of the same size and number of classes; null where there is none. */
  async costOf(preset: PresetDefinition, dataset: DatasetName): Promise<RunCost | null> {
    const run = this.#runs.find(
      (known) => known.preset === preset.name && isAlike(known.dataset, dataset) && costKey(known.config) === costKey(preset.config),
    )
    if (!run) return null
    const cost = this.#costs.get(run.id) ?? this.#measure(run.id)
    this.#costs.set(run.id, cost)
    return cost
  }

  async #measure(runId: string): Promise<RunCost | null> {
    const [steps] = await this.#db.$queryRaw<{ mean: number | null }[]>`
      SELECT avg("value") AS mean FROM "Metric" WHERE "runId" = ${runId} AND "name" = 'step_seconds' AND "block" > 0`
    const evaluation = await this.#db.evaluation.findFirst({ where: { runId }, orderBy: { epoch: 'desc' } })
    const prepared = await readPrepared(this.#db, runId)
    if (!steps?.mean || !evaluation || !prepared) return null
    const { seconds, examples } = evaluation.facts as EvaluationFacts
    return {
      seconds_per_step: Number(steps.mean),
      seconds_per_evaluated_image: seconds / examples,
      units: prepared.units.filter(isBlock).length,
      in_turn: prepared.in_turn,
    }
  }
}

function costKey(config: RunConfig): string {
  return JSON.stringify(costFields.map((field) => config[field]))
}

function isAlike(one: DatasetName, other: DatasetName): boolean {
  const [a, b] = [datasetCatalog[one], datasetCatalog[other]]
  return a.imageShape.join() === b.imageShape.join() && a.classes.length === b.classes.length
}
