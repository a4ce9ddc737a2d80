import { isFinal, type Run } from '@noprop/contract'
import type { QueryClient } from '@tanstack/svelte-query'
import { cancelRun, deleteRun } from '../api/endpoints.ts'
import { removeRun, storeRun } from '../api/run-cache.ts'

/** Cancel and delete, with what a page needs to show meanwhile. */
export class RunActions {
  busy = $state(false)
  failure = $state.raw<unknown>()
  readonly #queries: QueryClient

  constructor(queries: QueryClient) {
    this.#queries = queries
  }

  /** @returns the run as the server answered, or undefined when it refused (see `failure`) */
  async cancel(id: string): Promise<Run | undefined> {
    return this.#try(async () => {
      const run = await cancelRun(id)
      storeRun(this.#queries, run)
      return run
    })
  }

  /** @returns whether the run is gone */
  async delete(id: string): Promise<boolean> {
    const done = await this.#try(async () => {
      await deleteRun(id)
      removeRun(this.#queries, id)
      return true
    })
    return done ?? false
  }

  async #try<T>(action: () => Promise<T>): Promise<T | undefined> {
    this.busy = true
    this.failure = undefined
    try {
      return await action()
    } catch (error) {
      this.failure = error
      return undefined
    } finally {
      this.busy = false
    }
  }
}

export function canCancel(run: Run): boolean {
  return !isFinal(run.status) && run.status !== 'canceling'
}

export function progressTone(run: Run): 'accent' | 'good' | 'bad' | 'quiet' {
  switch (run.status) {
    case 'succeeded':
      return 'good'
    case 'failed':
      return 'bad'
    case 'canceled':
    case 'queued':
      return 'quiet'
    default:
      return 'accent'
  }
}
