import { setImmediate } from 'node:timers/promises'
import type { MetricSeries } from '@noprop/contract'
import type { PrismaClient } from '../generated/prisma/client.ts'

export interface SeriesQuery {
  readonly name?: string
  readonly block?: number
  /** of one series, at least 2 */
  readonly maxPoints: number
}

interface SeriesKey {
  readonly name: string
  readonly block: number
}

/** Reads the points of charts, one series at a time, so that a long history never holds up other requests. */
export class MetricRepository {
  readonly #db: PrismaClient

  constructor(db: PrismaClient) {
    this.#db = db
  }

  /** By name, then block. Longer series are cut into buckets of steps that give their lowest and highest point each. */
  async series(runId: string, { name, block, maxPoints }: SeriesQuery): Promise<MetricSeries[]> {
    const keys = (await this.#keys(runId)).filter((key) => (name ?? key.name) === key.name && (block ?? key.block) === key.block)
    const result: MetricSeries[] = []
    for (const key of keys) {
      result.push(await this.#read(runId, key, maxPoints))
      await setImmediate()
    }
    return result
  }

  /** Which series there are: jumps along the index from one to the next. */
  async #keys(runId: string): Promise<SeriesKey[]> {
    const rows = await this.#db.$queryRaw<{ name: string; block: bigint }[]>`
      WITH RECURSIVE series(name, block) AS (
        SELECT * FROM (SELECT "name", "block" FROM "Metric" WHERE "runId" = ${runId} ORDER BY "name", "block" LIMIT 1)
        UNION ALL
        SELECT following."name", following."block" FROM series JOIN "Metric" following ON following.rowid = (
          SELECT m.rowid FROM "Metric" m WHERE m."runId" = ${runId} AND (m."name", m."block") > (series.name, series.block)
          ORDER BY m."name", m."block" LIMIT 1)
      ) SELECT name, block FROM series`
    return rows.map((row) => ({ name: row.name, block: Number(row.block) }))
  }

  async #read(runId: string, { name, block }: SeriesKey, maxPoints: number): Promise<MetricSeries> {
    const [range] = await this.#db.$queryRaw<{ total: bigint; first: bigint; last: bigint }[]>`
      SELECT count(*) AS total, min("step") AS first, max("step") AS last
      FROM "Metric" WHERE "runId" = ${runId} AND "name" = ${name} AND "block" = ${block}`
    const total = Number(range!.total)
    const rows =
      total <= maxPoints
        ? await this.#db.$queryRaw<{ step: bigint; value: number }[]>`
            SELECT "step", "value" FROM "Metric" WHERE "runId" = ${runId} AND "name" = ${name} AND "block" = ${block} ORDER BY "step"`
        : await this.#extremes(runId, { name, block }, Number(range!.first), Number(range!.last), Math.floor(maxPoints / 2))
    return { name, block, points: rows.map(({ step, value }) => [Number(step), Number(value)]), total_points: total }
  }

  /** Of each bucket the rows with the lowest and the highest value: SQLite takes the bare columns from the row that min() or max() found. */
  #extremes(runId: string, { name, block }: SeriesKey, first: number, last: number, buckets: number) {
    return this.#db.$queryRaw<{ step: bigint; value: number }[]>`
      WITH points AS (
        SELECT "step", "value", CAST(("step" - ${first}) * ${buckets} / (${last} - ${first} + 1) AS INTEGER) AS bucket
        FROM "Metric" WHERE "runId" = ${runId} AND "name" = ${name} AND "block" = ${block})
      SELECT step, value FROM (SELECT step, min(value) AS value FROM points GROUP BY bucket)
      UNION
      SELECT step, value FROM (SELECT step, max(value) AS value FROM points GROUP BY bucket)
      ORDER BY step`
  }
}
