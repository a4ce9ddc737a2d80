#!/usr/bin/env node
// Speaks the JSON-RPC of Prisma's native schema-engine over stdio, backed by the WebAssembly build on npm,
// so that `prisma generate` and `prisma migrate …` work where no engine binary can be downloaded.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg'

const args = process.argv.slice(2)
const opt = (name) => args.flatMap((a, i) => (a === name ? [args[i + 1]] : []))
const url = JSON.parse(opt('--datasource')[0] ?? '{}').url ?? ':memory:'
const datamodels = opt('--datamodels').map((path) => [path, readFileSync(path, 'utf8')])

const factory = new PrismaBetterSqlite3({ url })

if (args.includes('cli')) {
  // `cli can-connect-to-database` and `cli create-database`: opening the connection does both for SQLite
  try {
    const connection = await factory.connect()
    await connection.executeScript('SELECT 1;')
    await connection.dispose()
    process.exit(0)
  } catch (e) {
    const fields = { message: String(e.message ?? e), error_code: 'P1001' }
    console.error(`\n${JSON.stringify({ level: 'ERROR', target: 'schema_engine::logger', fields })}`)
    process.exit(1)
  }
}

// The engine replays whole migration files into the shadow database through executeRaw, which SQLite's drivers
// prepare as ONE statement (better-sqlite3 throws, libsql silently drops the rest): run those as scripts.
const connectToShadowDb = factory.connectToShadowDb.bind(factory)
factory.connectToShadowDb = async () => {
  const connection = await connectToShadowDb()
  const executeRaw = connection.executeRaw.bind(connection)
  connection.executeRaw = async (q) => (q.args.length ? executeRaw(q) : (await connection.executeScript(q.sql), 0))
  return connection
}

const wasm = pathToFileURL(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'))
const { instance } = await WebAssembly.instantiate(readFileSync(new URL('schema_engine_bg.wasm', wasm)), {
  './schema_engine_bg.js': bindings,
})
bindings.__wbg_set_wasm(instance.exports)
instance.exports.__wbindgen_start()
const engine = await bindings.SchemaEngine.new(
  { datamodels: datamodels.length ? datamodels : undefined },
  () => {},
  bindMigrationAwareSqlAdapterFactory(factory),
)

const HISTORY_TABLE = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, "finished_at" DATETIME, "migration_name" TEXT NOT NULL, "logs" TEXT,
  "rolled_back_at" DATETIME, "started_at" DATETIME NOT NULL DEFAULT current_timestamp, "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0);`

async function call(method, params) {
  if (method === 'createDatabase') return { databaseName: url }
  if (method === 'getDatabaseVersion') return engine.version(params)
  // these two find the shadow database only through the cache that devDiagnostic fills and applying empties
  if (method === 'evaluateDataLoss' || method === 'createMigration')
    await engine.devDiagnostic({ migrationsList: params.migrationsList, filters: params.filters })
  return engine[method](params)
}

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
let queue = Promise.resolve()
const lines = createInterface({ input: process.stdin })
lines.on('close', () => queue.then(() => process.exit(0)))
lines.on('line', (line) => {
  const { id, method, params } = JSON.parse(line)
  if (!method) return // the CLI's answer to a `print`
  queue = queue.then(async () => {
    try {
      const result = await call(method, params).catch(async (e) => {
        // the wasm engine reports a missing history table as an error where the native one reads it as empty
        if (!String(e.message).includes('_prisma_migrations')) throw e
        const connection = await factory.connect()
        await connection.executeScript(HISTORY_TABLE)
        await connection.dispose()
        return call(method, params)
      })
      if (method === 'diff' && typeof result?.stdout === 'string')
        send({ id: 1000 + id, method: 'print', params: { content: result.stdout } })
      send({ id, result: result ?? null })
    } catch (e) {
      const message = e.message ?? String(e)
      send({ id, error: { code: 4466, message, data: { is_panic: false, message, error_code: e.code, meta: e.meta } } })
    }
  })
})
