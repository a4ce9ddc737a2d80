import type { PrepareResult } from '@noprop/contract'
import type { PrismaClient } from '../generated/prisma/client.ts'

/** What a run was found to be when its data was prepared; null before that. It is kept for as long as the run. */
export async function readPrepared(db: Pick<PrismaClient, 'task'>, runId: string): Promise<PrepareResult | null> {
  const task = await db.task.findFirst({ where: { runId, kind: 'prepare', status: 'done' } })
  return (task?.result as PrepareResult | undefined) ?? null
}
