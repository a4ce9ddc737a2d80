export interface Throttle {
  /** Runs the action now, or as soon as `intervalMs` since the last run are over; of several wishes the most urgent counts. */
  request(intervalMs: number): void
  stop(): void
}

/**
 * Runs an asynchronous action no more often than it is asked for, never twice at the same time, and once more if it was asked for meanwhile.
 *
 * @param onError hears of an action that failed; the throttle goes on
 */
export function createThrottle(action: () => Promise<void>, onError: (error: Error) => void): Throttle {
  let timer: NodeJS.Timeout | null = null
  let startedAt = -Infinity
  let isRunning = false
  /** shortest of the intervals that were asked for since the last run began; null: nobody asked */
  let wanted: number | null = null
  let isStopped = false

  async function run() {
    timer = null
    isRunning = true
    wanted = null
    startedAt = performance.now()
    try {
      await action()
    } catch (error) {
      onError(error as Error)
    }
    isRunning = false
    if (wanted !== null) request(wanted)
  }

  function request(intervalMs: number) {
    const isMoreUrgent = wanted === null || intervalMs < wanted
    if (isMoreUrgent) wanted = intervalMs
    if (isStopped || isRunning || (timer && !isMoreUrgent)) return
    if (timer) clearTimeout(timer)
    timer = null
    const delay = startedAt + intervalMs - performance.now()
    if (delay <= 0) void run()
    else timer = setTimeout(() => void run(), delay)
  }

  return {
    request,
    stop() {
      isStopped = true
      if (timer) clearTimeout(timer)
    },
  }
}
