import type { Run } from '@noprop/contract'

/** The shell command that starts the same run again: the whole configuration, so that later presets change nothing. */
export function curlFor(run: Run, origin: string): string {
  const body = JSON.stringify({ dataset: run.dataset, name: run.name, config: run.config })
  return [`curl -sS ${origin}/v1/runs`, `  -H 'content-type: application/json'`, `  -d '${body.replaceAll("'", `'\\''`)}'`].join(' \\\n')
}
