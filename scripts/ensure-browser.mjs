// Finds a Chromium for the browser tests, and gets one where there is none.
import { existsSync } from 'node:fs'
import { run, runBin } from './set-up.mjs'

const systemBrowsers = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/usr/bin/google-chrome-stable']

/**
 * A browser that is installed: Playwright's own first, because it is the version that Playwright was tested with, then CHROMIUM_PATH, then the system's.
 *
 * @returns {Promise<{ executablePath?: string } | null>} no `executablePath`: Playwright's own
 */
export async function findBrowser() {
  const { chromium } = await import('@playwright/test')
  if (existsSync(chromium.executablePath())) return {}
  const executablePath = [process.env.CHROMIUM_PATH, ...systemBrowsers].find((path) => path && existsSync(path))
  return executablePath ? { executablePath } : null
}

/** @throws {Error} there is no browser, and none could be installed; the message says what to do */
export async function ensureBrowser(log) {
  if (await findBrowser()) return
  log('No browser found: installing Chromium for the browser tests …')
  for (const install of [installPlaywrightBrowser, installDebianBrowser]) {
    try {
      await install()
    } catch (error) {
      log(error.message)
    }
    if (await findBrowser()) return
  }
  throw new Error(
    'The browser tests need Chromium. Install it (`npx playwright install --with-deps chromium`, or your system\'s package "chromium"), or name an executable in CHROMIUM_PATH.',
  )
}

async function installPlaywrightBrowser() {
  await runBin('playwright', ['install', 'chromium'], { what: "Downloading Playwright's Chromium", quiet: true })
  // the libraries that it needs, which a desktop has and a server may not
  if (isRootWithApt())
    await runBin('playwright', ['install-deps', 'chromium'], { what: 'Installing the libraries of Chromium', quiet: true })
}

async function installDebianBrowser() {
  if (!isRootWithApt()) return
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['update', '-qq'], { env, what: 'apt-get update', quiet: true })
  const packages = ['chromium', 'fonts-liberation']
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
    env,
    what: 'apt-get install chromium',
    quiet: true,
  })
}

function isRootWithApt() {
  return process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')
}
