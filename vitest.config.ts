import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

/** Every part is a project, so that what it needs is made only where its tests run. */
export default defineConfig({
  test: {
    // an ONNX Runtime or trainer process under test fills a core on its own
    maxWorkers: 2,
    reporters: ['default', './scripts/summary-reporter.ts'],
    projects: [
      {
        test: {
          name: 'packages',
          include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts', '{bench,scripts}/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'apps',
          include: ['apps/{server,trainer}/src/**/*.test.ts', 'apps/{server,trainer}/test/**/*.test.ts'],
          globalSetup: './scripts/vitest-global-setup.mjs',
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        plugins: [svelte({ configFile: false })],
        resolve: { conditions: ['browser'] },
        test: { name: 'dashboard', include: ['apps/dashboard/src/**/*.test.ts'] },
      },
    ],
  },
})
