import { fileURLToPath } from 'node:url'
import { defineConfig } from 'prisma/config'

// The CLI insists on a native schema engine, which cannot be downloaded everywhere; ours runs its WebAssembly build.
// A script with a shebang cannot be spawned on Windows, which keeps the native engine.
if (process.platform !== 'win32') {
  process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= fileURLToPath(new URL('./scripts/schema-engine.mjs', import.meta.url))
}

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env['DATABASE_URL'] ?? 'file:./data/noprop.db' },
})
