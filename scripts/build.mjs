#!/usr/bin/env node
// Bundles the server and the trainer (npm packages stay outside, workspace packages go in) and builds the dashboard, into dist/.
//   node scripts/build.mjs [--no-bundles] [--no-dashboard]
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const bundles = [
  { name: 'server', entries: ['apps/server/src/main.ts', 'apps/server/src/predictions/prediction-worker.ts'] },
  { name: 'trainer', entries: ['apps/trainer/src/main.ts', 'apps/trainer/src/task-worker.ts'] },
]

/** Workspace packages export TypeScript, which Node does not load: bundle them wherever the entry that `exports` names lies. */
const bundleWorkspacePackages = {
  name: 'bundle-workspace-packages',
  setup({ onResolve }) {
    onResolve({ filter: /^@noprop\// }, ({ path }) => {
      const [scope, name, ...rest] = path.split('/')
      const folder = join(root, 'node_modules', scope, name)
      const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const target = exports?.[rest.length ? `./${rest.join('/')}` : '.']
      if (!target) return { errors: [{ text: `${path} is not among the exports of @noprop/${name}` }] }
      return { path: fileURLToPath(new URL(target, `file://${folder}/`)) }
    })
  },
}

async function buildBundle({ name, entries }) {
  const present = entries.filter((entry) => existsSync(join(root, entry)))
  for (const entry of entries) if (!present.includes(entry)) console.log(`skipped ${entry}: it does not exist yet`)
  await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(present.map((entry) => [entry.replace(/^.*\/|\.ts$/g, ''), entry])),
    outdir: `dist/${name}`,
    bundle: true,
    packages: 'external',
    plugins: [bundleWorkspacePackages],
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: true,
    logLevel: 'warning',
  })
}

async function buildDashboard() {
  const { build: viteBuild } = await import('vite')
  await viteBuild({
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
  if (values.bundles) await Promise.all(bundles.map(buildBundle))
  if (values.dashboard) await buildDashboard()
} catch (error) {
  // esbuild has printed its errors already, with their places in the code
  if (!Array.isArray(error.errors)) console.error(error)
  process.exitCode = 1
}
