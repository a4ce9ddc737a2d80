import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the installed product: the nearest one above this file that holds the migrations. The same for the sources and for the bundle. */
export function findAppRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url))
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'prisma/migrations'))) return folder
    if (folder === dirname(folder)) throw new Error(`no folder above ${start} holds prisma/migrations`)
  }
}
