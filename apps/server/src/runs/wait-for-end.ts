import { isFinal } from '@noprop/contract'
import type { FastifyInstance } from 'fastify'

interface WaitOptions {
  readonly timeoutMs: number
  /** nobody waits any more */
  readonly signal: AbortSignal
}

/** Resolves when the run has ended or been deleted, when the time is over, or when the signal says so. */
export async function waitForEnd(
  app: Pick<FastifyInstance, 'events' | 'runs'>,
  runId: string,
  { timeoutMs, signal }: WaitOptions,
): Promise<void> {
  // Not AbortSignal.timeout: as a source of AbortSignal.any it is held by nobody, and once collected it never fires.
  let isOver = false
  let wake = () => {}
  const stopListening = app.events.onChange(runId, () => wake())
  signal.addEventListener('abort', () => wake(), { once: true })
  const timer = setTimeout(() => {
    isOver = true
    wake()
  }, timeoutMs)
  try {
    while (!signal.aborted && !isOver) {
      const changed = new Promise<void>((resolve) => (wake = resolve))
      const { status } = await app.runs.get(runId)
      if (isFinal(status) || signal.aborted || isOver) return
      await changed
    }
  } finally {
    clearTimeout(timer)
    stopListening()
  }
}
