#!/usr/bin/env node
// `npm test`: all set-up, every check, every test. The last line counts all of them together.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runChecks } from './checks.mjs'
import { ensureBrowser } from './ensure-browser.mjs'
import { explain, runBin, setUp } from './set-up.mjs'

const parts = {
  Checks: () => runChecks(console.log),
  'Unit and integration tests': () => countedRun((options) => runBin('vitest', ['run'], options)),
  'Browser tests': () =>
    countedRun(async (options) => {
      await ensureBrowser(console.log)
      await runBin('playwright', ['test', '--config', 'e2e/playwright.config.ts'], options)
    }),
}

/** The runners' reporters write their counts to a file, because their own output is for people. */
async function countedRun(runTests) {
  const folder = mkdtempSync(join(tmpdir(), 'noprop-test-'))
  const countsFile = join(folder, 'counts.json')
  try {
    const failure = await runTests({ what: 'The test run', env: { ...process.env, NOPROP_TEST_COUNTS: countsFile } }).then(
      () => null,
      (error) => error,
    )
    return readCounts(countsFile, failure)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function readCounts(file, failure) {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  try {
    Object.assign(counts, JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    failure ??= error
  }
  // a runner that broke down, or that failed for another reason than its tests
  if (failure && counts.failed === 0) {
    console.error(failure.message)
    counts.failed = 1
  }
  return counts
}

const total = { passed: 0, failed: 0, skipped: 0 }
function add(counts) {
  for (const key of Object.keys(total)) total[key] += counts[key]
}

try {
  await setUp()
  for (const [title, runPart] of Object.entries(parts)) {
    console.log(`\n── ${title} ──`)
    add(await runPart())
  }
} catch (error) {
  console.error(explain(error))
  add({ passed: 0, failed: 1, skipped: 0 })
}
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed > 0 ? 1 : 0
