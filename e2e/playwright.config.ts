import { defineConfig } from '@playwright/test'
import { findBrowser } from '../scripts/ensure-browser.mjs'

const browser = await findBrowser()
if (!browser) throw new Error('No browser found: run the tests with `npm run e2e`, which installs one, or set CHROMIUM_PATH.')

/** For a system's Chromium in a container: no sandbox of its own, no GPU, and no calls home. */
const quietSystemBrowser = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export default defineConfig({
  testDir: './tests',
  outputDir: '../test-results',
  // each worker starts a server of its own, whose trainers use every core
  workers: 1,
  timeout: 180_000,
  expect: { timeout: 15_000 },
  forbidOnly: Boolean(process.env['CI']),
  reporter: [['list'], ['./support/summary-reporter.ts']],
  use: {
    browserName: 'chromium',
    viewport: { width: 1280, height: 900 },
    colorScheme: 'light',
    actionTimeout: 15_000,
    screenshot: 'only-on-failure',
    launchOptions: browser.executablePath
      ? { executablePath: browser.executablePath, args: quietSystemBrowser, chromiumSandbox: false }
      : {},
  },
})
