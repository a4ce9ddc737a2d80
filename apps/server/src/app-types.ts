import type { TrainerSlot } from '@noprop/contract'
import type { CheckpointStore } from './checkpoints/checkpoint-store.ts'
import type { Config } from './config.ts'
import type { EventLog } from './events/event-log.ts'
import type { StreamSlots } from './events/stream-slots.ts'
import type { PrismaClient } from './generated/prisma/client.ts'
import type { ServerMetrics } from './plugins/metrics.ts'
import type { Database } from './plugins/database.ts'
import type { BuildFacts } from './runs/provenance.ts'
import type { RunService } from './runs/run-service.ts'

/** What buildApp puts on the Fastify instance for the features. */
declare module 'fastify' {
  interface FastifyInstance {
    config: Config
    build: BuildFacts
    /** Reads committed data; it cannot write. */
    db: PrismaClient
    database: Database
    events: EventLog
    runs: RunService
    checkpoints: CheckpointStore
    /** Where the file of a checkpoint lies. */
    checkpointPath(runId: string, checkpointId: string): string
    trainers: { slots(): TrainerSlot[] }
    serverMetrics: ServerMetrics
    streamSlots: StreamSlots
    /** Aborted when the server begins to close; open streams and long polls end then. */
    closing: AbortSignal
  }

  interface FastifyContextConfig {
    /** Answered without authentication. */
    public?: boolean
  }
}
