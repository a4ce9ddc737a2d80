import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import type { Config } from './config.ts'
import { calibrateMachine } from './runs/calibrate-machine.ts'

/** Longest time that an orderly end may take. */
const shutdownTimeoutMs = 5000

/**
 * Starts the server, says where it listens in one line on standard output, and ends the process in order on SIGINT and SIGTERM:
 * trainers write their checkpoints, their runs wait for the next start.
 */
export async function serve(config: Config): Promise<FastifyInstance> {
  const app = await buildApp(config)
  try {
    await app.listen({ host: config.host, port: config.port, listenTextResolver: (address) => `listening on ${address}` })
  } catch (error) {
    await app.close()
    throw error
  }
  console.log(`NoProp Studio listens on ${urlOf(app)}`)
  const isIdle = () => app.trainers.slots().every(({ state }) => state === 'stopped')
  void calibrateMachine({ dataDir: config.dataDir, calibrateEntry: config.calibrateEntry, log: app.log, signal: app.closing, isIdle })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void shutDown(app, signal))
  return app
}

/** The address under which a browser on this machine reaches the server. */
export function urlOf(app: FastifyInstance): string {
  const { address, family, port } = app.server.address() as AddressInfo
  const isWildcard = address === '0.0.0.0' || address === '::'
  const host = isWildcard ? 'localhost' : family === 'IPv6' ? `[${address}]` : address
  return `http://${host}:${port}`
}

async function shutDown(app: FastifyInstance, signal: string) {
  app.log.info(`ending on ${signal}`)
  setTimeout(() => process.exit(1), shutdownTimeoutMs).unref()
  try {
    await app.close()
    process.exit(0)
  } catch (error) {
    app.log.error({ err: error }, 'the end was not in order')
    process.exit(1)
  }
}
