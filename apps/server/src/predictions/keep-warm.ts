import type { FastifyInstance } from 'fastify'
import type { PredictionService } from './prediction-service.ts'

const intervalMs = 2000

/** Has the default network loaded before it is asked for: when the server starts, and soon after another run has succeeded. */
export function keepWarm(app: FastifyInstance, service: PredictionService): void {
  let timer: NodeJS.Timeout | undefined
  const warmUp = () => {
    timer = undefined
    service
      .warmUp()
      .catch((error: unknown) => app.log.warn({ err: error }, 'the newest network could not be loaded ahead of its first use'))
  }
  const unsubscribe = app.events.onChange(null, () => {
    timer ??= setTimeout(warmUp, intervalMs).unref()
  })
  app.addHook('onListen', async () => warmUp())
  app.addHook('preClose', async () => {
    unsubscribe()
    clearTimeout(timer)
  })
}
