import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type Database from 'better-sqlite3'

/** The table in which `prisma migrate` keeps its history, so that its CLI and this runner accept each other's work. */
const historyTable = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, "finished_at" DATETIME, "migration_name" TEXT NOT NULL, "logs" TEXT,
  "rolled_back_at" DATETIME, "started_at" DATETIME NOT NULL DEFAULT current_timestamp, "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0);`

class MigrationError extends Error {
  readonly code = 'MIGRATION_REFUSED'
}

interface Migration {
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/**
 * Brings a database to the newest schema; each migration is applied whole or not at all.
 *
 * @returns the names of the migrations that it applied
 * @throws {MigrationError} the database was made by newer code, or an applied migration was changed since
 */
export function applyMigrations(database: Database.Database, folder: string): string[] {
  database.exec(historyTable)
  const migrations = readMigrations(folder)
  const applied = readHistory(database)
  refuseUnknown(migrations, applied)
  const pending = migrations.filter(({ name, checksum }) => {
    const known = applied.get(name)
    if (known !== undefined && known !== checksum)
      throw new MigrationError(`Migration ${name} was changed after it had been applied to this database. Restore its file.`)
    return known === undefined
  })
  for (const migration of pending) apply(database, migration)
  return pending.map(({ name }) => name)
}

function readMigrations(folder: string): Migration[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .map((name) => {
      const sql = readFileSync(join(folder, name, 'migration.sql'), 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    })
}

/** Checksums of the migrations that were applied, by name. */
function readHistory(database: Database.Database): Map<string, string> {
  const rows = database
    .prepare('SELECT migration_name AS name, checksum FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL')
    .all() as { name: string; checksum: string }[]
  return new Map(rows.map(({ name, checksum }) => [name, checksum]))
}

function refuseUnknown(migrations: readonly Migration[], applied: ReadonlyMap<string, string>) {
  const known = new Set(migrations.map(({ name }) => name))
  const unknown = [...applied.keys()].filter((name) => !known.has(name))
  if (unknown.length === 0) return
  throw new MigrationError(
    `The database was made by a newer version of NoProp Studio (migration ${unknown.at(-1)}). Update this one, or set NOPROP_DATA_DIR to another folder.`,
  )
}

function apply(database: Database.Database, { name, sql, checksum }: Migration) {
  // Outside the transaction: SQLite ignores the pragma inside one, and Prisma's table rebuilds rely on it.
  database.pragma('foreign_keys = OFF')
  const startedAt = Date.now()
  try {
    database.exec('BEGIN IMMEDIATE')
    database.exec(sql)
    const broken = database.pragma('foreign_key_check') as unknown[]
    if (broken.length > 0) throw new MigrationError(`Migration ${name} would leave ${broken.length} rows without their parent`)
    database
      .prepare(
        `INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count) VALUES (?, ?, ?, ?, ?, 1)`,
      )
      .run(randomUUID(), checksum, Date.now(), name, startedAt)
    database.exec('COMMIT')
  } catch (error) {
    if (database.inTransaction) database.exec('ROLLBACK')
    throw error
  } finally {
    database.pragma('foreign_keys = ON')
  }
}
