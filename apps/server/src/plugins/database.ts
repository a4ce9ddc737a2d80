import { mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import Sqlite from 'better-sqlite3'
import { type Prisma, PrismaClient } from '../generated/prisma/client.ts'
import { applyMigrations } from './migrations.ts'

/** What a piece of work may do inside its transaction. */
export interface Transaction {
  readonly db: Prisma.TransactionClient
  /** Runs when, and only when, the transaction has been committed. */
  afterCommit(action: () => void): void
}

/** The data folder belongs to another server that is running. */
class DataDirLockedError extends Error {
  readonly code = 'DATA_DIR_LOCKED'
  constructor(dataDir: string) {
    super(`Another NoProp Studio server is using ${dataDir}. Stop it, or set NOPROP_DATA_DIR to another folder.`)
  }
}

const busyTimeoutMs = 5000
/** Longest wait for, and longest run of, one transaction; both are milliseconds in practice. */
const transactionTimeoutMs = 60_000

/**
 * The server's database: one connection that reads, one that writes.
 *
 * Prisma's SQLite adapter has a single connection, on which a query outside a transaction lands inside whichever one is open.
 * So all writes go through `write`, one transaction after the other, and reads have a connection of their own, which sees committed data only.
 */
export class Database {
  readonly read: PrismaClient
  readonly #writer: PrismaClient
  readonly #lock: Sqlite.Database
  #tail: Promise<unknown> = Promise.resolve()
  #commits = 0

  private constructor(lock: Sqlite.Database, read: PrismaClient, writer: PrismaClient) {
    this.#lock = lock
    this.read = read
    this.#writer = writer
  }

  /**
   * Takes the data folder, migrates its database and opens it.
   *
   * @throws {DataDirLockedError} another server has it
   * @throws {Error} code ENOTDIR: it is no folder; other codes of the file system: it cannot be made
   * @throws {MigrationError} the database is newer than this code
   */
  static async open(dataDir: string, migrationsDir: string): Promise<Database> {
    makeFolder(dataDir)
    const lock = lockDataDir(dataDir)
    try {
      const path = join(dataDir, 'noprop.db')
      migrate(path, migrationsDir)
      const writer = new PrismaClient({ adapter: new PrismaBetterSqlite3({ url: `file:${path}`, timeout: busyTimeoutMs }) })
      const read = new PrismaClient({ adapter: new PrismaBetterSqlite3({ url: `file:${path}`, timeout: busyTimeoutMs, readonly: true }) })
      // What is committed must be on the disk: right after it, files are deleted that only the state before still names. With NORMAL, a power cut
      // could take the newest commits back and leave a run whose checkpoints are gone.
      await writer.$queryRaw`PRAGMA synchronous = FULL`
      await writer.$queryRaw`PRAGMA foreign_keys = ON`
      return new Database(lock, read, writer)
    } catch (error) {
      lock.close()
      throw error
    }
  }

  /** Runs `work` in a transaction of its own, after those asked for before it. Nothing of it remains if it throws. */
  write<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const result = this.#tail.then(() => this.#transact(work))
    this.#tail = result.catch(() => undefined)
    return result
  }

  async #transact<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const actions: (() => void)[] = []
    const options = { maxWait: transactionTimeoutMs, timeout: transactionTimeoutMs }
    const result = await this.#writer.$transaction((db) => work({ db, afterCommit: (action) => void actions.push(action) }), options)
    this.#commits++
    for (const action of actions) action()
    // SQLite answers synchronously and Prisma in microtasks: without a breath here, a row of writes would starve sockets and timers.
    await new Promise((resolve) => setImmediate(resolve))
    return result
  }

  /** Changes with every transaction: what was read under this number is what a query would find. */
  get commits(): number {
    return this.#commits
  }

  /** Waits for the writes asked for so far, then gives the data folder back. */
  async close() {
    await this.#tail
    await this.read.$disconnect()
    await this.#writer.$disconnect()
    this.#lock.close()
  }
}

/** An exclusive transaction on a database of its own: the operating system ends it with the process, however that dies. */
function lockDataDir(dataDir: string): Sqlite.Database {
  const lock = new Sqlite(join(dataDir, 'server.lock'), { timeout: 0 })
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    if (error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')) throw new DataDirLockedError(dataDir)
    throw error
  }
}

function migrate(path: string, migrationsDir: string) {
  const database = new Sqlite(path, { timeout: busyTimeoutMs })
  try {
    database.pragma('journal_mode = WAL')
    applyMigrations(database, migrationsDir)
  } finally {
    database.close()
  }
}

/** Makes a folder and those above it, level by level: Node's recursive form never ends where a parent refuses with ENOENT, as /proc does. */
function makeFolder(path: string) {
  if (isFolder(path)) return
  makeFolder(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    // another server that starts at this moment may have made it; if not, a file or a dead link is in the way
    if (!isFolder(path)) throw Object.assign(new Error(`${path} is not a folder`), { code: 'ENOTDIR' })
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
