#!/usr/bin/env node
// `npm run dev`: bundles server and trainer at every change and restarts the server; the dashboard comes from Vite, with hot reload.
import { spawn } from 'node:child_process'
import { context } from 'esbuild'
import { createServer } from 'vite'
import { bundleOptions } from './bundles.mjs'
import { loadEnvironmentFile, root, setUp } from './set-up.mjs'

await setUp()
process.chdir(root)
loadEnvironmentFile()
const api = `http://127.0.0.1:${process.env.PORT ?? 3000}`

let server = null
let restarting = Promise.resolve()

/** The old server must have closed its database and its port before the new one opens them. */
function restartServer() {
  restarting = restarting.then(async () => {
    await stopServer()
    server = spawn(process.execPath, ['--enable-source-maps', 'dist/server/main.js'], { stdio: 'inherit' })
  })
}

async function stopServer() {
  if (!server || server.exitCode !== null || server.signalCode !== null) return
  const ended = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGTERM')
  await ended
}

const restartAfterBuild = {
  name: 'restart-after-build',
  setup({ onEnd }) {
    onEnd(({ errors }) => {
      if (errors.length === 0) restartServer()
    })
  },
}
const bundler = await context({ ...bundleOptions, plugins: [...bundleOptions.plugins, restartAfterBuild] })
await bundler.watch()

const toApi = { target: api, changeOrigin: true, ws: true, headers: { origin: api } }
const dashboard = await createServer({
  root: 'apps/dashboard',
  server: { proxy: Object.fromEntries(['/v1', '/predict', '/docs', '/openapi.json', '/metrics'].map((path) => [path, toApi])) },
})
await dashboard.listen()
dashboard.printUrls()

async function stop() {
  await Promise.all([dashboard.close(), bundler.dispose(), stopServer()])
  process.exit()
}
process.once('SIGINT', stop)
process.once('SIGTERM', stop)
