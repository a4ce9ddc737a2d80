import './app-types.ts'
import underPressure from '@fastify/under-pressure'
import Fastify, { type FastifyInstance, LogController } from 'fastify'
import { ApiError } from './api-error.ts'
import { checkpointRoutes } from './checkpoints/checkpoint-routes.ts'
import { CheckpointStore } from './checkpoints/checkpoint-store.ts'
import type { Config } from './config.ts'
import { evaluationRoutes } from './evaluations/evaluation-routes.ts'
import { EventLog } from './events/event-log.ts'
import { datasetRoutes } from './datasets/dataset-routes.ts'
import { eventRoutes } from './events/event-routes.ts'
import { eventSocket, type StreamLimits, streamLimits } from './events/event-socket.ts'
import { StreamSlots } from './events/stream-slots.ts'
import { installAuthentication } from './plugins/authentication.ts'
import { installDashboard } from './plugins/dashboard-files.ts'
import { Database } from './plugins/database.ts'
import { installErrorHandler } from './plugins/error-handler.ts'
import { installHealth } from './plugins/health.ts'
import { createServerMetrics, installMetrics } from './plugins/metrics.ts'
import { installMethodTable } from './plugins/not-found.ts'
import { installOpenApi } from './plugins/openapi.ts'
import { installOriginCheck } from './plugins/request-origin.ts'
import { refuseByParser, refuseByRouter, refuseExpectations, WebSocketOnlyRequest } from './plugins/protocol-errors.ts'
import { installSecurityHeaders } from './plugins/security-headers.ts'
import { installValidation } from './plugins/validation.ts'
import { predictionRoutes } from './predictions/prediction-routes.ts'
import { registerComponents } from './route-schema.ts'
import { readBuildFacts } from './runs/provenance.ts'
import { RunRepository } from './runs/run-repository.ts'
import { runRoutes } from './runs/run-routes.ts'
import { RunService } from './runs/run-service.ts'
import { systemRoutes } from './system/system-routes.ts'
import { RunCoordinator } from './training/run-coordinator.ts'
import { TaskOutcomes } from './training/task-outcomes.ts'
import { EmbeddedTaskQueue } from './training/task-queue.ts'
import { trainerEnvironment } from './training/trainer-environment.ts'
import { TrainerPool } from './training/trainer-pool.ts'

/** Event-loop delay from which on new requests are turned away: far beyond what work of ours causes. */
const maxEventLoopDelayMs = 5000
const maxBodyBytes = 1 << 20
/** Longest time that a client may take to send a request. */
const requestTimeoutMs = 120_000

export interface AppOptions {
  readonly stream?: StreamLimits
}

/**
 * The whole server, not listening yet: opens the database, then adds what every request passes, then the features. Closing it ends the trainers and gives the data folder back.
 *
 * @throws {DataDirLockedError} another server has the data folder
 * @throws {MigrationError} the database is newer than this code
 */
export async function buildApp(config: Config, { stream = streamLimits }: AppOptions = {}): Promise<FastifyInstance> {
  const database = await Database.open(config.dataDir, config.migrationsDir)
  const app = Fastify({
    // standard output belongs to the one line that says where the server listens
    logger: { level: config.logLevel, stream: process.stderr },
    bodyLimit: maxBodyBytes,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: true,
    http: { IncomingMessage: WebSocketOnlyRequest },
    frameworkErrors: refuseByRouter(config.host),
    clientErrorHandler: refuseByParser,
    // refused below, as a problem like every other error
    return503OnClosing: false,
    routerOptions: { maxParamLength: 200 },
    // ids of our own making: a client's may be anything
    requestIdHeader: false,
    genReqId: () => crypto.randomUUID(),
    logController: new LogController({ disableRequestLogging: true }),
  })
  try {
    await installParts(app, config, database)
    await installPlugins(app, config)
    await installFeatures(app, stream)
    await app.ready()
    return app
  } catch (error) {
    await app.close()
    throw error
  }
}

/** The objects behind the routes. */
async function installParts(app: FastifyInstance, config: Config, database: Database) {
  const metrics = createServerMetrics()
  const closing = new AbortController()
  const events = new EventLog(database, metrics.eventsStored)
  const checkpoints = new CheckpointStore(config.dataDir)
  const repository = new RunRepository(database, events)
  const queue = new EmbeddedTaskQueue()
  const pool = new TrainerPool({
    size: config.trainers,
    entry: config.trainerEntry,
    env: (slot) => trainerEnvironment(process.env, config, slot),
    heartbeatTimeoutMs: config.heartbeatTimeoutMs,
    stopTimeoutMs: config.stopTimeoutMs,
    idleTrainerMs: config.idleTrainerMs,
    restarts: metrics.trainerRestarts,
    log: app.log,
  })
  const outcomes = new TaskOutcomes({ queue, events, checkpoints })
  const coordinator = new RunCoordinator({
    database,
    repository,
    events,
    checkpoints,
    queue,
    outcomes,
    pool,
    trainers: config.trainers,
    recoveryPauseMs: config.recoveryPauseMs,
    log: app.log,
  })
  const build = readBuildFacts(config.gitCommit)

  app.decorate('config', config)
  app.decorate('build', build)
  app.decorate('database', database)
  app.decorate('db', database.read)
  app.decorate('events', events)
  app.decorate('checkpoints', checkpoints)
  app.decorate('checkpointPath', (runId: string, checkpointId: string) => checkpoints.path(runId, checkpointId))
  app.decorate(
    'runs',
    new RunService({ database, repository, events, checkpoints, build, executor: coordinator, trainers: config.trainers }),
  )
  app.decorate('trainers', { slots: () => pool.slots() })
  app.decorate('serverMetrics', metrics)
  app.decorate('streamSlots', new StreamSlots(config.streamClients, metrics.streamClients))
  app.decorate('closing', closing.signal)

  app.addHook('onReady', async () => {
    const removed = await checkpoints.removeOrphans(database)
    if (removed > 0) app.log.info(`removed ${removed} files that an earlier crash had left behind`)
    await coordinator.start()
  })
  app.addHook('preClose', async () => {
    closing.abort()
    await coordinator.close()
  })
  app.addHook('onClose', () => database.close())
}

/** What every request passes, in this order. */
async function installPlugins(app: FastifyInstance, config: Config) {
  installErrorHandler(app)
  refuseExpectations(app, config.host)
  installValidation(app)
  registerComponents(app)
  const allowedMethods = installMethodTable(app)
  app.addHook('onRequest', async (_request, reply) => {
    if (!app.closing.aborted) return
    reply.header('connection', 'close')
    throw new ApiError('UNAVAILABLE', 'The server is shutting down')
  })
  installOriginCheck(app, config.host)
  await app.register(underPressure, {
    maxEventLoopDelay: maxEventLoopDelayMs,
    pressureHandler: (_request, reply, type, value) => {
      // without a single sample in its interval the plugin takes the delay for infinite; that happens on a machine that is merely busy
      if (!Number.isFinite(value)) return
      reply.header('retry-after', '10')
      throw new ApiError('UNAVAILABLE', `The server is overloaded (${type}); try again in a moment`)
    },
  })
  await installSecurityHeaders(app)
  await installOpenApi(app)
  await installAuthentication(app, config.apiToken)
  installHealth(app)
  installMetrics(app, app.serverMetrics)
  await installDashboard(app, config.dashboardDir, allowedMethods)
}

async function installFeatures(app: FastifyInstance, stream: StreamLimits) {
  await eventSocket(app, { limits: stream })
  const features = [runRoutes, eventRoutes, checkpointRoutes, evaluationRoutes, datasetRoutes, predictionRoutes, systemRoutes]
  for (const routes of features) await app.register(routes)
}
