export interface Throttle {
  /** Runs the action now, or as soon as the interval since the last run is over; asking more often changes nothing. */
  request(): void
  stop(): void
}

/**
 * Runs an asynchronous action at most once in `intervalMs`, never twice at the same time, and once more if it was asked for meanwhile.
 *
 * @param onError hears of an action that failed; the throttle goes on
 */
export function createThrottle(intervalMs: number, action: () => Promise<void>, onError: (error: Error) => void): Throttle {
  let timer: NodeJS.Timeout | null = null
  let startedAt = -Infinity
  let isRunning = false
  let isWanted = false
  let isStopped = false

  async function run() {
    timer = null
    isRunning = true
    isWanted = false
    startedAt = performance.now()
    try {
      await action()
    } catch (error) {
      onError(error as Error)
    }
    isRunning = false
    if (isWanted) request()
  }

  function request() {
    isWanted = true
    if (isStopped || isRunning || timer) return
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
