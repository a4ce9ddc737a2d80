// How the Node programs are bundled: npm packages stay outside, workspace packages go in.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const entries = {
  'server/main': 'apps/server/src/main.ts',
  'server/prediction-worker': 'apps/server/src/predictions/prediction-worker.ts',
  'trainer/main': 'apps/trainer/src/main.ts',
  'trainer/task-worker': 'apps/trainer/src/task-worker.ts',
  'trainer/calibrate': 'apps/trainer/src/calibrate.ts',
}

/** Workspace packages export TypeScript, which Node does not load: bundle the entry that their `exports` names. */
const bundleWorkspacePackages = {
  name: 'bundle-workspace-packages',
  setup({ onResolve }) {
    onResolve({ filter: /^@noprop\// }, ({ path }) => {
      const [scope, name, ...rest] = path.split('/')
      const folder = join(root, 'node_modules', scope, name)
      const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const target = exports?.[rest.length ? `./${rest.join('/')}` : '.']
      if (!target) return { errors: [{ text: `${path} is not among the exports of @noprop/${name}` }] }
      return { path: fileURLToPath(new URL(target, `${pathToFileURL(folder)}/`)) }
    })
  },
}

/** @type {import('esbuild').BuildOptions} */
export const bundleOptions = {
  absWorkingDir: root,
  entryPoints: entries,
  outdir: 'dist',
  bundle: true,
  packages: 'external',
  plugins: [bundleWorkspacePackages],
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  logLevel: 'warning',
}
