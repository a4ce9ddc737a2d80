/** The pages and their addresses. */
export type Route =
  | { page: 'runs' }
  | { page: 'new'; cloneOf: string | undefined }
  | { page: 'run'; id: string }
  | { page: 'compare'; ids: string[] }
  | { page: 'predict'; run: string | undefined }
  | { page: 'system' }
  | { page: 'not-found'; path: string }

export const paths = {
  runs: '/',
  newRun: '/new',
  /** not /predict: that is the API's */
  predict: '/try',
  system: '/system',
  run: (id: string) => `/runs/${encodeURIComponent(id)}`,
  clone: (id: string) => `/new?from=${encodeURIComponent(id)}`,
  predictWith: (runId: string) => `/try?run=${encodeURIComponent(runId)}`,
  compare: (ids: readonly string[]) => `/compare?runs=${ids.map(encodeURIComponent).join(',')}`,
} as const

/** Reads an address of this site, such as `/runs/run_01…`. */
export function parseRoute(url: URL): Route {
  const path = url.pathname.replace(/\/+$/, '') || '/'
  const run = /^\/runs\/([^/]+)$/.exec(path)?.[1]
  if (run !== undefined) return { page: 'run', id: safeDecode(run) }
  switch (path) {
    case '/':
    case '/runs':
      return { page: 'runs' }
    case paths.newRun:
      return { page: 'new', cloneOf: url.searchParams.get('from') ?? undefined }
    case '/compare':
      return { page: 'compare', ids: (url.searchParams.get('runs') ?? '').split(',').filter(Boolean) }
    case paths.predict:
      return { page: 'predict', run: url.searchParams.get('run') ?? undefined }
    case paths.system:
      return { page: 'system' }
    default:
      return { page: 'not-found', path }
  }
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
