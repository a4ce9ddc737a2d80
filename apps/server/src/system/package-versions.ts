import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

/** Versions of the installed ones of these packages. Read from their folders: many do not export their package.json. */
export function packageVersions(names: readonly string[]): Record<string, string> {
  const { resolve } = createRequire(import.meta.url)
  const versions: Record<string, string> = {}
  for (const name of names) {
    const file = resolve
      .paths(name)
      ?.map((folder) => join(folder, name, 'package.json'))
      .find(existsSync)
    if (file) versions[name] = (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
  }
  return versions
}
