import { writeFileSync } from 'node:fs'
import type { FullConfig, Reporter, Suite, TestError } from '@playwright/test/reporter'

/** Prints the plain closing line `N passed, N failed, N skipped`; also writes the counts to the file that NOPROP_TEST_COUNTS names. */
export default class SummaryReporter implements Reporter {
  #root: Suite | undefined
  #errorsOutsideTests = 0

  onBegin(_config: FullConfig, root: Suite) {
    this.#root = root
  }

  onError(_error: TestError) {
    this.#errorsOutsideTests += 1
  }

  onEnd() {
    const counts = { passed: 0, failed: this.#errorsOutsideTests, skipped: 0 }
    for (const test of this.#root?.allTests() ?? []) {
      const outcome = test.outcome()
      counts[outcome === 'skipped' ? 'skipped' : outcome === 'unexpected' ? 'failed' : 'passed'] += 1
    }
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
    const countsFile = process.env['NOPROP_TEST_COUNTS']
    if (countsFile) writeFileSync(countsFile, JSON.stringify(counts))
  }
}
