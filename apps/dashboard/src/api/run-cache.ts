import type { Page, Run } from '@noprop/contract'
import type { InfiniteData, QueryClient } from '@tanstack/svelte-query'

export const runsKey = ['runs'] as const
export const runKey = (id: string) => ['run', id] as const

type RunPages = InfiniteData<Page<Run>, string | undefined>

/** Puts a newer state of a run into every list and page that shows it; a run that is new goes to the top. */
export function storeRun(queries: QueryClient, run: Run): void {
  queries.setQueryData<Run>(runKey(run.id), (old) => (old && old.last_seq > run.last_seq ? old : run))
  queries.setQueryData<RunPages>(runsKey, (pages) => pages && withRun(pages, run))
}

export function removeRun(queries: QueryClient, id: string): void {
  queries.removeQueries({ queryKey: runKey(id) })
  queries.setQueryData<RunPages>(
    runsKey,
    (data) => data && { ...data, pages: data.pages.map((page) => ({ ...page, items: page.items.filter((run) => run.id !== id) })) },
  )
}

export function withRun(data: RunPages, run: Run): RunPages {
  const known = data.pages.some((page) => page.items.some((other) => other.id === run.id))
  const pages = data.pages.map((page, index) => {
    if (!known) return index === 0 ? { ...page, items: [run, ...page.items] } : page
    return { ...page, items: page.items.map((other) => (other.id === run.id && other.last_seq <= run.last_seq ? run : other)) }
  })
  return { ...data, pages }
}
