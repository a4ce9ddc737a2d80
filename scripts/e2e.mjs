#!/usr/bin/env node
// `npm run e2e [-- arguments of playwright test]`: the browser tests against the built product.
import { ensureBrowser } from './ensure-browser.mjs'
import { explain, runBin, setUp } from './set-up.mjs'

try {
  await setUp()
  await ensureBrowser(console.log)
  await runBin('playwright', ['test', '--config', 'e2e/playwright.config.ts', ...process.argv.slice(2)], { what: 'The browser tests' })
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}
