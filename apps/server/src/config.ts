import { availableParallelism } from 'node:os'
import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { findAppRoot } from './app-root.ts'
import type { BatchLimits } from './predictions/prediction-pool.ts'

export type LogLevel = (typeof logLevels)[number]
const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/** Exit status of a process whose configuration is wrong (EX_CONFIG of sysexits.h). */
export const configExitCode = 78

/** Everything that the server is told from outside, and the places and limits that follow from it. */
export interface Config {
  readonly host: string
  /** 0: any free port */
  readonly port: number
  /** absolute */
  readonly dataDir: string
  /** absolute; null: datasets are looked for in the data folder only */
  readonly datasetsDir: string | null
  /** trainer processes */
  readonly trainers: number
  readonly predictionBatch: BatchLimits
  /** predictions in progress beyond which others are refused */
  readonly predictionQueue: number
  /** clients that may follow events at a time */
  readonly streamClients: number
  readonly apiToken: string | null
  readonly logLevel: LogLevel
  /** null: looked up in the .git folder */
  readonly gitCommit: string | null
  readonly trainerEntry: string
  readonly calibrateEntry: string
  readonly predictionWorkerEntry: string
  readonly dashboardDir: string
  readonly migrationsDir: string
  /** silence of a trainer after which it is taken for dead */
  readonly heartbeatTimeoutMs: number
  /** how long a trainer may take to answer a stop before it is killed */
  readonly stopTimeoutMs: number
  /** how long an idle trainer is kept warm */
  readonly idleTrainerMs: number
  /** pause before training goes on after the database refused a write, as when the disk is full */
  readonly recoveryPauseMs: number
}

/** A variable of the environment that cannot be used; the message says how to mend it. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID'
}

interface Variable<T> {
  /** what .env.example says about it */
  readonly description: string
  parse(value: string | undefined): T
}

/** The variables of the environment, in the order of .env.example. An empty value counts as none. */
export const environment = {
  HOST: {
    description: 'address to listen on; anything beyond loopback needs NOPROP_API_TOKEN',
    parse: (value) => parseHost(value ?? '127.0.0.1'),
  } satisfies Variable<string>,
  PORT: {
    description: 'port to listen on; 0 takes any free one',
    parse: (value) => parseInteger('PORT', value, { default: 3000, minimum: 0, maximum: 65535 }),
  } satisfies Variable<number>,
  NOPROP_DATA_DIR: {
    description: 'folder of the database, checkpoints and downloaded datasets',
    parse: (value) => resolve(value ?? './data'),
  } satisfies Variable<string>,
  NOPROP_DATASETS_DIR: {
    description: 'folder that already holds dataset files; never written to',
    parse: (value) => (value === undefined ? null : resolve(value)),
  } satisfies Variable<string | null>,
  NOPROP_TRAINERS: {
    description: 'trainer processes; default: one for each core',
    parse: (value) => parseInteger('NOPROP_TRAINERS', value, { default: availableParallelism(), minimum: 1, maximum: 256 }),
  } satisfies Variable<number>,
  NOPROP_PREDICT_BATCH: {
    description: 'most images of concurrent predictions that are computed together; 1: each alone',
    parse: (value) => parseInteger('NOPROP_PREDICT_BATCH', value, { default: 32, minimum: 1, maximum: 32 }),
  } satisfies Variable<number>,
  NOPROP_PREDICT_DELAY_MS: {
    description: 'longest time that a prediction waits for others that have arrived and are still being decoded',
    parse: (value) => parseInteger('NOPROP_PREDICT_DELAY_MS', value, { default: 5, minimum: 0, maximum: 1000 }),
  } satisfies Variable<number>,
  NOPROP_PREDICT_QUEUE: {
    description: 'predictions that may be in progress; others are told to come back (503)',
    parse: (value) => parseInteger('NOPROP_PREDICT_QUEUE', value, { default: 256, minimum: 1, maximum: 10_000 }),
  } satisfies Variable<number>,
  NOPROP_STREAM_CLIENTS: {
    description: 'clients that may follow events at a time, by WebSocket or server-sent events; others are told to come back (503)',
    parse: (value) => parseInteger('NOPROP_STREAM_CLIENTS', value, { default: 2000, minimum: 1, maximum: 100_000 }),
  } satisfies Variable<number>,
  NOPROP_API_TOKEN: {
    description: 'secret that every request must carry, at least 16 characters; default: none',
    parse: parseToken,
  } satisfies Variable<string | null>,
  LOG_LEVEL: {
    description: `${logLevels.join(', ')}`,
    parse: (value) => parseLogLevel(value ?? 'info'),
  } satisfies Variable<LogLevel>,
  NOPROP_GIT_COMMIT: {
    description: 'commit recorded with every run where there is no .git folder, as in a container image',
    parse: (value) => value ?? null,
  } satisfies Variable<string | null>,
}

/**
 * Reads the environment. There are no flags: the order is environment, then default.
 *
 * @throws {ConfigError} a value is not usable
 */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const read = <T>(name: keyof typeof environment, variable: Variable<T>) => variable.parse(env[name]?.trim() || undefined)
  const root = findAppRoot()
  const config: Config = {
    host: read('HOST', environment.HOST),
    port: read('PORT', environment.PORT),
    dataDir: read('NOPROP_DATA_DIR', environment.NOPROP_DATA_DIR),
    datasetsDir: read('NOPROP_DATASETS_DIR', environment.NOPROP_DATASETS_DIR),
    trainers: read('NOPROP_TRAINERS', environment.NOPROP_TRAINERS),
    predictionBatch: {
      images: read('NOPROP_PREDICT_BATCH', environment.NOPROP_PREDICT_BATCH),
      delayMs: read('NOPROP_PREDICT_DELAY_MS', environment.NOPROP_PREDICT_DELAY_MS),
    },
    predictionQueue: read('NOPROP_PREDICT_QUEUE', environment.NOPROP_PREDICT_QUEUE),
    streamClients: read('NOPROP_STREAM_CLIENTS', environment.NOPROP_STREAM_CLIENTS),
    apiToken: read('NOPROP_API_TOKEN', environment.NOPROP_API_TOKEN),
    logLevel: read('LOG_LEVEL', environment.LOG_LEVEL),
    gitCommit: read('NOPROP_GIT_COMMIT', environment.NOPROP_GIT_COMMIT),
    trainerEntry: join(root, 'dist/trainer/main.js'),
    calibrateEntry: join(root, 'dist/trainer/calibrate.js'),
    predictionWorkerEntry: join(root, 'dist/server/prediction-worker.js'),
    dashboardDir: join(root, 'dist/dashboard'),
    migrationsDir: join(root, 'prisma/migrations'),
    heartbeatTimeoutMs: 10_000,
    stopTimeoutMs: 1500,
    idleTrainerMs: 60_000,
    recoveryPauseMs: 5000,
  }
  if (!isLoopback(config.host) && config.apiToken === null) {
    throw new ConfigError(
      `HOST=${config.host} would let other machines in without a password. Set NOPROP_API_TOKEN to a secret of at least 16 characters, or HOST=127.0.0.1.`,
    )
  }
  return Object.freeze(config)
}

/** Whether a host name or address can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '')
  if (isIP(name) === 4) return name.startsWith('127.')
  return name === '::1' || name === 'localhost' || name.endsWith('.localhost')
}

function parseHost(value: string): string {
  const host = value.replace(/^\[|\]$/g, '')
  if (isIP(host) === 0 && !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(host))
    throw new ConfigError(`HOST=${value} is not an address or host name. Set it to one such as 127.0.0.1.`)
  return host
}

function parseInteger(name: string, value: string | undefined, limits: { default: number; minimum: number; maximum: number }): number {
  if (value === undefined) return limits.default
  const number = Number(value)
  if (!/^\d+$/.test(value) || number < limits.minimum || number > limits.maximum)
    throw new ConfigError(`${name}=${value} is not usable. Set it to a whole number from ${limits.minimum} to ${limits.maximum}.`)
  return number
}

function parseToken(value: string | undefined): string | null {
  if (value === undefined) return null
  if (!/^[\x21-\x7e]{16,}$/.test(value))
    throw new ConfigError('NOPROP_API_TOKEN is not usable. Set it to at least 16 printable ASCII characters without spaces.')
  return value
}

function parseLogLevel(value: string): LogLevel {
  const level = logLevels.find((candidate) => candidate === value)
  if (!level) throw new ConfigError(`LOG_LEVEL=${value} is not usable. Set it to one of ${logLevels.join(', ')}.`)
  return level
}
