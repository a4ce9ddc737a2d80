import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findAppRoot } from '../src/app-root.ts'
import { Database } from '../src/plugins/database.ts'
import { isDiskFull } from '../src/plugins/error-handler.ts'
import { applyMigrations } from '../src/plugins/migrations.ts'

const root = findAppRoot()
const migrations = join(root, 'prisma/migrations')

let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'noprop-database-'))))
afterEach(() => rm(folder, { recursive: true }))

function prisma(...args: string[]) {
  const env = { ...process.env, DATABASE_URL: `file:${join(folder, 'noprop.db')}` }
  return promisify(execFile)(process.execPath, [join(root, 'node_modules/prisma/build/index.js'), ...args], { cwd: root, env })
}

async function addMigration(name: string, sql: string) {
  const copy = join(folder, 'migrations')
  await cp(migrations, copy, { recursive: true })
  await mkdir(join(copy, name))
  await writeFile(join(copy, name, 'migration.sql'), sql)
  return copy
}

describe('migrations', () => {
  test('applied here are what Prisma expects: up to date, and the schema of the model', async () => {
    await (await Database.open(folder, migrations)).close()
    const { stdout } = await prisma('migrate', 'status')
    expect(stdout).toContain('Database schema is up to date')
    const diff = await prisma('migrate', 'diff', '--from-config-datasource', '--to-schema', 'prisma/schema.prisma', '--exit-code')
    expect(diff.stdout).toContain('No difference detected')
  })

  test('applied by Prisma are left alone here', async () => {
    await prisma('migrate', 'deploy')
    const database = new Sqlite(join(folder, 'noprop.db'))
    expect(applyMigrations(database, migrations)).toEqual([])
    database.close()
  })

  test('are applied once', async () => {
    const database = new Sqlite(join(folder, 'noprop.db'))
    expect(applyMigrations(database, migrations)).toHaveLength(2)
    expect(applyMigrations(database, migrations)).toEqual([])
    database.close()
  })

  test('that fail leave nothing behind, and the data as it was', async () => {
    const database = new Sqlite(join(folder, 'noprop.db'))
    applyMigrations(database, migrations)
    const broken = await addMigration('29990101000000_broken', 'CREATE TABLE "Half" (id INTEGER); SELECT * FROM missing;')
    expect(() => applyMigrations(database, broken)).toThrow('no such table: missing')
    expect(database.prepare("SELECT count(*) FROM sqlite_master WHERE name = 'Half'").pluck().get()).toBe(0)
    expect(applyMigrations(database, migrations)).toEqual([])
    database.close()
  })

  test('that would orphan rows are refused', async () => {
    const database = new Sqlite(join(folder, 'noprop.db'))
    applyMigrations(database, migrations)
    const orphaning = await addMigration(
      '29990101000000_orphan',
      `INSERT INTO "Checkpoint" (id, runId, block, epoch, step, sha256, sizeBytes) VALUES ('c', 'nobody', 1, 1, 1, '', 1);`,
    )
    expect(() => applyMigrations(database, orphaning)).toThrow('1 rows without their parent')
    expect(database.prepare('SELECT count(*) FROM "Checkpoint"').pluck().get()).toBe(0)
    expect(database.pragma('foreign_keys', { simple: true })).toBe(1)
    database.close()
  })

  test('of newer code make this one refuse the database', async () => {
    const newer = await addMigration('29990101000000_future', 'CREATE TABLE "Future" (id INTEGER);')
    await (await Database.open(folder, newer)).close()
    await expect(Database.open(folder, migrations)).rejects.toMatchObject({
      code: 'MIGRATION_REFUSED',
      message: expect.stringContaining('newer version') as string,
    })
  })

  test('that were changed after they had been applied are refused', async () => {
    const copy = await addMigration('29990101000000_change', 'CREATE TABLE "A" (id INTEGER);')
    await (await Database.open(folder, copy)).close()
    await writeFile(join(copy, '29990101000000_change', 'migration.sql'), 'CREATE TABLE "B" (id INTEGER);')
    await expect(Database.open(folder, copy)).rejects.toMatchObject({ code: 'MIGRATION_REFUSED' })
  })
})

describe('the data folder', () => {
  test('belongs to one server at a time, and is free again when that has closed', async () => {
    const first = await Database.open(folder, migrations)
    await expect(Database.open(folder, migrations)).rejects.toMatchObject({ code: 'DATA_DIR_LOCKED' })
    await first.close()
    await (await Database.open(folder, migrations)).close()
  })

  test('is made where it is missing, with those above it', async () => {
    await (await Database.open(join(folder, 'a/b'), migrations)).close()
    await (await Database.open(join(folder, 'a/b'), migrations)).close()
  })

  test.for(['a file', 'a link that leads nowhere'])('that is %s is refused as no folder', async (what) => {
    const path = join(folder, 'data')
    await (what === 'a file' ? writeFile(path, '') : symlink(join(folder, 'missing'), path))
    await expect(Database.open(path, migrations)).rejects.toMatchObject({
      code: 'ENOTDIR',
      message: expect.stringContaining(path) as string,
    })
  })
})

describe('the database', () => {
  let database: Database
  beforeEach(async () => void (database = await Database.open(folder, migrations)))
  afterEach(() => database.close())

  const key = (name: string) => ({ data: { key: name, requestHash: '', status: 201, body: {} } })

  test('writes ahead, and checks foreign keys', async () => {
    const [mode] = await database.read.$queryRaw<{ journal_mode: string }[]>`PRAGMA journal_mode`
    expect(mode!.journal_mode).toBe('wal')
    await expect(database.write(({ db }) => db.blockState.create({ data: { runId: 'nobody', block: 1 } }))).rejects.toThrow()
  })

  test('has a transaction on the disk before it says that it is over', async () => {
    const [level] = await database.write(({ db }) => db.$queryRaw<{ synchronous: bigint }[]>`PRAGMA synchronous`)
    expect(Number(level!.synchronous)).toBe(2)
  })

  test('shows readers nothing of a transaction before its end', async () => {
    const seen: number[] = []
    await database.write(async ({ db }) => {
      await db.idempotencyKey.create(key('a'))
      seen.push(await database.read.idempotencyKey.count())
    })
    seen.push(await database.read.idempotencyKey.count())
    expect(seen).toEqual([0, 1])
  })

  test('keeps nothing of a transaction that fails, and tells nobody of it', async () => {
    let isTold = false
    const failing = database.write(async ({ db, afterCommit }) => {
      afterCommit(() => (isTold = true))
      await db.idempotencyKey.create(key('a'))
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(isTold).toBe(false)
    expect(await database.read.idempotencyKey.count()).toBe(0)
  })

  test('runs transactions one after the other, in the order in which they were asked for', async () => {
    const order: string[] = []
    await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        database.write(async ({ db }) => {
          order.push(`${name} begins`)
          await db.idempotencyKey.create(key(name))
          order.push(`${name} ends`)
        }),
      ),
    )
    expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  })

  test('refuses to be written by readers', async () => {
    await expect(database.read.idempotencyKey.create(key('a'))).rejects.toThrow(/readonly/)
  })

  test('that may not grow any more says that the disk is full, and keeps what it has', async () => {
    await database.write(({ db }) => db.idempotencyKey.create(key('a')))
    await database.write(({ db }) => db.$queryRaw`PRAGMA max_page_count = 1`)
    const body = 'x'.repeat(1 << 20)
    const error: unknown = await database
      .write(({ db }) => db.idempotencyKey.create({ data: { key: 'b', requestHash: '', status: 201, body } }))
      .catch((reason: unknown) => reason)
    expect(isDiskFull(error)).toBe(true)
    expect(await database.read.idempotencyKey.count()).toBe(1)
  })
})
