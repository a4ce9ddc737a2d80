#!/usr/bin/env node
// Builds dist/: the bundles of server and trainer, and the dashboard.
//   node scripts/build.mjs [--no-bundles] [--no-dashboard]
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { bundleOptions, root } from './bundles.mjs'

async function buildDashboard() {
  const { build: buildWithVite } = await import('vite')
  await buildWithVite({
    root: join(root, 'apps/dashboard'),
    logLevel: 'warn',
    build: {
      outDir: join(root, 'dist/dashboard'),
      emptyOutDir: true,
      rolldownOptions: { checks: { pluginTimings: false } },
    },
  })
}

const { values } = parseArgs({
  allowNegative: true,
  options: { bundles: { type: 'boolean', default: true }, dashboard: { type: 'boolean', default: true } },
})
try {
  if (values.bundles) await build(bundleOptions)
  if (values.dashboard) await buildDashboard()
} catch (error) {
  // esbuild has printed its errors already, with their places in the code
  if (!Array.isArray(error.errors)) console.error(error)
  process.exitCode = 1
}
