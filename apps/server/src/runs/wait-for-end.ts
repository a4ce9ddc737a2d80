import { isFinal } from '@noprop/contract'
import type { FastifyInstance } from 'fastify'

/** Resolves when the run has ended or been deleted, or when the signal says that nobody waits any more. */
export async function waitForEnd(app: Pick<FastifyInstance, 'events' | 'runs'>, runId: string, signal: AbortSignal): Promise<void> {
  let wake = () => {}
  const stopListening = app.events.onChange(runId, () => wake())
  signal.addEventListener('abort', () => wake(), { once: true })
  try {
    while (!signal.aborted) {
      const changed = new Promise<void>((resolve) => (wake = resolve))
      const { status } = await app.runs.get(runId)
      if (isFinal(status) || signal.aborted) return
      await changed
    }
  } finally {
    stopListening()
  }
}
