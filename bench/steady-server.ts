/** The server with trainers that tell something at a steady pace. */

import { fileURLToPath } from 'node:url'
import { buildApp } from '../apps/server/src/app.ts'
import { loadConfig } from '../apps/server/src/config.ts'
import { urlOf } from '../apps/server/src/serve.ts'

const trainerEntry = fileURLToPath(new URL('steady-trainer.ts', import.meta.url))
const config = { ...loadConfig(process.env), trainerEntry }
// not `serve`, which begins with timing this machine
const app = await buildApp(config)
await app.listen({ host: config.host, port: config.port, listenTextResolver: String })
console.log(`NoProp Studio listens on ${urlOf(app)}`)
process.once('SIGTERM', () => void app.close().then(() => process.exit(0)))
