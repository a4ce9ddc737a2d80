import { existsSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, isAbsolute, join } from 'node:path'
import { findAppRoot } from '../app-root.ts'

export interface BuildFacts {
  /** of this product */
  readonly version: string
  readonly gitCommit: string | null
  /** of what a server runs on, by name */
  readonly versions: Readonly<Record<string, string>>
}

/** What is the same for all runs of a server; read once. */
export function readBuildFacts(gitCommit: string | null): BuildFacts {
  const root = findAppRoot()
  const version = readVersion(join(root, 'package.json'))
  return {
    version,
    gitCommit: gitCommit ?? readGitCommit(root),
    versions: {
      'noprop-studio': version,
      node: process.versions.node,
      ...packageVersions(['fastify', '@prisma/client', 'better-sqlite3']),
    },
  }
}

function readVersion(packageFile: string): string {
  return (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version
}

function packageVersions(names: readonly string[]): Record<string, string> {
  const require = createRequire(import.meta.url)
  return Object.fromEntries(
    names.flatMap((name) => {
      const file = require.resolve
        .paths(name)
        ?.map((folder) => join(folder, name, 'package.json'))
        .find(existsSync)
      return file ? [[name, readVersion(file)]] : []
    }),
  )
}

/** The commit that is checked out in `root`, read from Git's own files; null where there are none. */
export function readGitCommit(root: string): string | null {
  try {
    const gitDir = findGitDir(root)
    const head = readFileSync(join(gitDir, 'HEAD'), 'utf8').trim()
    if (!head.startsWith('ref: ')) return asCommit(head)
    const ref = head.slice(5)
    const commonDir = existsSync(join(gitDir, 'commondir')) ? join(gitDir, readFileSync(join(gitDir, 'commondir'), 'utf8').trim()) : gitDir
    const loose = join(commonDir, ref)
    if (existsSync(loose)) return asCommit(readFileSync(loose, 'utf8').trim())
    const packed = readFileSync(join(commonDir, 'packed-refs'), 'utf8')
      .split('\n')
      .find((line) => line.endsWith(` ${ref}`))
    return packed ? asCommit(packed.split(' ')[0]!) : null
  } catch {
    return null
  }
}

/** `.git` is a folder, or in a worktree a file that names one. */
function findGitDir(root: string): string {
  const path = join(root, '.git')
  if (statSync(path).isDirectory()) return path
  const target = readFileSync(path, 'utf8')
    .replace(/^gitdir:/, '')
    .trim()
  return isAbsolute(target) ? target : join(dirname(path), target)
}

function asCommit(text: string): string | null {
  return /^[0-9a-f]{40,64}$/.test(text) ? text : null
}
