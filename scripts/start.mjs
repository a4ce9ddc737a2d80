#!/usr/bin/env node
// `npm start`: all set-up that is still to do, then the server, in this process: signals and exit codes are its own.
// This file must parse on an old Node, so that it can say what is missing.
import { fileURLToPath } from 'node:url'

const oldest = [20, 19]
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
  console.error(
    `NoProp Studio needs Node ${oldest.join('.')} or newer; this is Node ${process.versions.node}. Get one at https://nodejs.org`,
  )
  process.exit(69)
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const { explain, loadEnvironmentFile, setUp } = await import('./set-up.mjs')
try {
  await setUp()
} catch (error) {
  console.error(explain(error))
  process.exit(1)
}
loadEnvironmentFile()
process.setSourceMapsEnabled(true)
await import('../dist/server/main.js')
