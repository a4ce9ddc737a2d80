// What is checked without running the product: types, lint, format, unused code, and that the migrations make the schema.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { explain, runBin } from './set-up.mjs'

const checks = {
  'types: apps and packages': () => runTypeScript('.'),
  'types: browser tests': () => runTypeScript('e2e'),
  'types: scripts': () => runTypeScript('scripts'),
  'types: Svelte': () =>
    runBin('svelte-check', ['--workspace', 'apps/dashboard', '--fail-on-warnings', '--output', 'human'], {
      what: 'svelte-check',
      quiet: true,
    }),
  'lint: ESLint': () =>
    runBin('eslint', ['.', '--max-warnings=0', '--cache', '--cache-location', '.cache/eslint'], { what: 'ESLint', quiet: true }),
  'format: Prettier': () =>
    runBin('prettier', ['--check', '.', '--cache', '--cache-location', '.cache/prettier'], { what: 'Prettier', quiet: true }),
  'unused code: knip': () => runBin('knip', ['--no-progress'], { what: 'knip', quiet: true }),
  'database: the migrations make the schema': checkMigrations,
}

function runTypeScript(project) {
  return runBin('tsc', ['-p', project], { what: 'tsc', package: 'typescript', quiet: true })
}

async function checkMigrations() {
  const folder = mkdtempSync(join(tmpdir(), 'noprop-migrations-'))
  const env = { ...process.env, DATABASE_URL: `file:${join(folder, 'empty.db')}` }
  try {
    await runBin('prisma', ['migrate', 'deploy'], { what: 'prisma migrate deploy', env, quiet: true })
    const diff = ['migrate', 'diff', '--from-config-datasource', '--to-schema', 'prisma/schema.prisma', '--exit-code']
    await runBin('prisma', diff, { what: 'prisma migrate diff', env, quiet: true })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * Runs every check, two at a time, and says how each went; a failed one with its whole output.
 *
 * @returns {Promise<{ passed: number, failed: number, skipped: number }>}
 */
export async function runChecks(log) {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  const waiting = Object.entries(checks)
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) counts[(await passes(...next, log)) ? 'passed' : 'failed'] += 1
  }
  await Promise.all([worker(), worker()])
  return counts
}

async function passes(name, check, log) {
  const start = performance.now()
  try {
    await check()
    log(`✓ ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
    return true
  } catch (error) {
    log(`✗ ${name}\n${explain(error)}`)
    return false
  }
}
