import { EventEmitter } from 'node:events'
import { isFinal, type RunEvent, type RunEventBody, type RunStatus } from '@noprop/contract'
import type { Database, Transaction } from '../plugins/database.ts'

export interface NewEvent {
  readonly body: RunEventBody
  /** Names an event that a repeated task emits again, so that it is stored once; null: always stored. */
  readonly key: string | null
}

/** Newest events of a run, kept in memory so that live readers need no query. */
const tailLength = 512
/** Events in a page of a history: page p holds those after p · pageLength. */
const pageLength = 500
/** Pages of the database that are remembered, for those who come back at the same time. */
const maxPages = 32

interface HistoryPage {
  readonly events: Promise<readonly RunEvent[]>
  /** state of the database in which it was read */
  readonly commits: number
  /** it has all its events, which never change */
  isFull: boolean
}

/**
 * The histories of all runs: appended in the transaction of the state that they report, numbered 1, 2, 3, … per run without a gap.
 * Readers keep a cursor and ask for what follows it; `onChange` tells them when there is more.
 */
export class EventLog {
  readonly #database: Database
  readonly #stored: { inc(by: number): void }
  readonly #changes = new EventEmitter().setMaxListeners(0)
  readonly #tails = new Map<string, RunEvent[]>()
  /** by run and number, the one that was asked for last at the end */
  readonly #pages = new Map<string, HistoryPage>()

  /** @param stored counts the events that were stored */
  constructor(database: Database, stored: { inc(by: number): void }) {
    this.#database = database
    this.#stored = stored
  }

  /**
   * Stores those of the events that are new. A run that has ended takes no more, except in the transaction that ends it, where its status event is the last.
   *
   * @returns the events that were stored
   */
  async append({ db, afterCommit }: Transaction, runId: string, events: readonly NewEvent[]): Promise<RunEvent[]> {
    const rows = await db.$queryRaw<{ lastSeq: bigint }[]>`SELECT "lastSeq" FROM "Run" WHERE "id" = ${runId}`
    if (!rows[0]) return []
    const fresh = await withoutDuplicates(db, runId, events)
    if (fresh.length === 0) return []
    const time = new Date().toISOString()
    let seq = Number(rows[0].lastSeq)
    const stored = fresh.map(({ body, key }) => ({ seq: ++seq, type: body.type, body: withoutType(body), key }))
    await db.$executeRaw`
      INSERT INTO "RunEvent" ("runId", "seq", "type", "time", "body", "key")
      SELECT ${runId}, value ->> 'seq', value ->> 'type', ${databaseTime(time)}, value -> 'body', value ->> 'key'
      FROM json_each(${JSON.stringify(stored)})`
    await db.$executeRaw`UPDATE "Run" SET "lastSeq" = ${seq} WHERE "id" = ${runId}`
    const result = fresh.map(({ body }, i) => ({ run_id: runId, seq: stored[i]!.seq, time, ...body }) as RunEvent)
    afterCommit(() => this.#publish(runId, result))
    return result
  }

  /** Up to `limit` events that follow `after`, in order. */
  async read(runId: string, after: number, limit: number): Promise<RunEvent[]> {
    const result: RunEvent[] = []
    while (result.length < limit) {
      const events = await this.readPage(runId, after + result.length)
      if (events.length === 0) break
      result.push(...events.slice(0, limit - result.length))
    }
    return result
  }

  /**
   * Some events that follow `after`, in order: up to the end of a page, so that readers who started at different places soon read the same.
   * None: there are no more. Whole pages of the database are the same array for everybody.
   */
  async readPage(runId: string, after: number): Promise<readonly RunEvent[]> {
    const number = Math.floor(after / pageLength)
    const end = (number + 1) * pageLength
    const tail = this.#tails.get(runId)
    if (tail?.[0] && tail[0].seq <= after + 1) {
      const first = tail[0].seq
      return tail.slice(after + 1 - first, end + 1 - first)
    }
    const events = await this.#page(runId, number)
    return after === number * pageLength ? events : events.slice(after - number * pageLength)
  }

  /** Calls back with what was stored, after every change of this run, or of any (`null`); the answer ends that. */
  onChange(runId: string | null, listener: (runId: string, events: readonly RunEvent[]) => void): () => void {
    const name = runId === null ? 'any' : `run:${runId}`
    this.#changes.on(name, listener)
    return () => void this.#changes.off(name, listener)
  }

  /** Forgets what it holds of a run whose rows are being deleted. */
  forget(runId: string) {
    this.#tails.delete(runId)
    for (const key of this.#pages.keys()) if (key.startsWith(`${runId}/`)) this.#pages.delete(key)
  }

  /** From memory where that is as good as the database; those who ask at the same time share the query. */
  #page(runId: string, number: number): Promise<readonly RunEvent[]> {
    const key = `${runId}/${number}`
    let page = this.#pages.get(key)
    if (!page || (!page.isFull && page.commits !== this.#database.commits)) page = this.#queryPage(runId, number)
    this.#pages.delete(key)
    this.#pages.set(key, page)
    if (this.#pages.size > maxPages) this.#pages.delete(this.#pages.keys().next().value!)
    return page.events
  }

  #queryPage(runId: string, number: number): HistoryPage {
    const events = this.#queryEvents(runId, number * pageLength)
    const page: HistoryPage = { events, commits: this.#database.commits, isFull: false }
    events.then(
      ({ length }) => (page.isFull = length === pageLength),
      () => this.#pages.delete(`${runId}/${number}`),
    )
    return page
  }

  async #queryEvents(runId: string, after: number): Promise<RunEvent[]> {
    const rows = await this.#database.read.runEvent.findMany({
      where: { runId, seq: { gt: after, lte: after + pageLength } },
      orderBy: { seq: 'asc' },
    })
    return rows.map(
      (row) => ({ run_id: runId, seq: row.seq, time: row.time.toISOString(), type: row.type, ...(row.body as object) }) as RunEvent,
    )
  }

  #publish(runId: string, events: readonly RunEvent[]) {
    this.#stored.inc(events.length)
    const tail = this.#tails.get(runId) ?? []
    tail.push(...events)
    if (tail.length > 2 * tailLength) tail.splice(0, tail.length - tailLength)
    this.#tails.set(runId, tail)
    const last = events.at(-1)!
    if (last.type === 'status' && isFinal(last.status)) this.#tails.delete(runId)
    this.#changes.emit(`run:${runId}`, runId, events)
    this.#changes.emit('any', runId, events)
  }
}

async function withoutDuplicates(db: Transaction['db'], runId: string, events: readonly NewEvent[]): Promise<NewEvent[]> {
  const keys = events.flatMap(({ key }) => (key === null ? [] : [key]))
  if (keys.length === 0) return [...events]
  const known = await db.$queryRaw<{ key: string }[]>`
    SELECT "key" FROM "RunEvent" WHERE "runId" = ${runId} AND "key" IN (SELECT value FROM json_each(${JSON.stringify(keys)}))`
  const seen = new Set(known.map(({ key }) => key))
  return events.filter(({ key }) => {
    if (key === null) return true
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}

function withoutType({ type: _type, ...rest }: RunEventBody) {
  return rest
}

/** The form in which Prisma stores times, so that raw and ordinary queries compare and sort alike. */
function databaseTime(isoTime: string): string {
  return isoTime.replace('Z', '+00:00')
}

/** A status change as an event. */
export function statusEvent(
  status: RunStatus,
  reason: string | null,
  failure: Extract<RunEventBody, { type: 'status' }>['failure'],
): NewEvent {
  return { body: { type: 'status', status, reason, failure }, key: null }
}

export function logEvent(level: 'info' | 'warn' | 'error', message: string): NewEvent {
  return { body: { type: 'log', level, message }, key: null }
}
