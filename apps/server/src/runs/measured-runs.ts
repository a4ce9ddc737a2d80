import type { EvaluationFacts, RunConfig } from '@noprop/contract'
import type { PrismaClient } from '../generated/prisma/client.ts'
import type { PresetCalibration } from './estimate-run.ts'
import type { PresetDefinition } from './presets.ts'

/** Fields of a configuration that decide how long a step and an evaluated image take. */
const costFields = [
  'method',
  'embedding',
  'blocks',
  'channels',
  'features',
  'batch_size',
  'noise_samples',
  'device',
] as const satisfies (keyof RunConfig)[]

/** Runs of the preset that are looked at: older ones tell less about the machine as it is. */
const newest = 5

/**
 * What a step and an evaluated image really took in the newest run of a preset that succeeded here; null where there is none.
 * Truer than a calibration: it includes all trainers at work at once.
 */
export async function measuredCalibration(
  db: PrismaClient,
  preset: PresetDefinition,
): Promise<Omit<PresetCalibration, 'seconds_to_start'> | null> {
  const runs = await db.run.findMany({
    where: { status: 'succeeded', preset: preset.name },
    orderBy: { finishedAt: 'desc' },
    take: newest,
    select: { id: true, config: true },
  })
  const run = runs.find(({ config }) => costOf(config as RunConfig) === costOf(preset.config))
  if (!run) return null
  const [steps] = await db.$queryRaw<{ mean: number | null }[]>`
    SELECT avg("value") AS mean FROM "Metric" WHERE "runId" = ${run.id} AND "name" = 'step_seconds' AND "block" > 0`
  const evaluation = await db.evaluation.findFirst({ where: { runId: run.id }, orderBy: { epoch: 'desc' } })
  if (!steps?.mean || !evaluation) return null
  const { seconds, examples } = evaluation.facts as EvaluationFacts
  return { seconds_per_step: Number(steps.mean), seconds_per_evaluated_image: seconds / examples }
}

function costOf(config: RunConfig): string {
  return JSON.stringify(costFields.map((field) => config[field]))
}
