#!/usr/bin/env node
// Builds dist/: the bundles of server and trainer, and the dashboard.
//   node scripts/build.mjs [--no-bundles] [--no-dashboard]
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { bundleOptions, root } from './bundles.mjs'

async function buildBundles() {
  const present = Object.entries(bundleOptions.entryPoints).filter(([, entry]) => existsSync(join(root, entry)))
  for (const [name, entry] of Object.entries(bundleOptions.entryPoints))
    if (!present.some(([presentName]) => presentName === name)) console.log(`skipped ${entry}: it does not exist yet`)
  await build({ ...bundleOptions, entryPoints: Object.fromEntries(present) })
}

async function buildDashboard() {
  const { build: buildWithVite } = await import('vite')
  await buildWithVite({
    root: join(root, 'apps/dashboard'),
    logLevel: 'warn',
    build: { outDir: join(root, 'dist/dashboard'), emptyOutDir: true },
  })
}

const { values } = parseArgs({
  allowNegative: true,
  options: { bundles: { type: 'boolean', default: true }, dashboard: { type: 'boolean', default: true } },
})
try {
  if (values.bundles) await buildBundles()
  if (values.dashboard) await buildDashboard()
} catch (error) {
  // esbuild has printed its errors already, with their places in the code
  if (!Array.isArray(error.errors)) console.error(error)
  process.exitCode = 1
}
