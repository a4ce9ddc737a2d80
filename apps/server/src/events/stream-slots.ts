import { finished } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Gauge } from 'prom-client'
import { ApiError } from '../api-error.ts'

/** When a client that was refused may try again. */
const retrySeconds = 10

/** Counts the clients that hold a stream open, over WebSockets and server-sent events together, and keeps them from becoming too many. */
export class StreamSlots {
  readonly #limit: number
  readonly #gauge: Pick<Gauge, 'set'>
  #taken = 0

  /** @param gauge is set to their number */
  constructor(limit: number, gauge: Pick<Gauge, 'set'>) {
    this.#limit = limit
    this.#gauge = gauge
  }

  /**
   * Takes a place for as long as `stream` is open.
   *
   * @throws {ApiError} UNAVAILABLE
   */
  take(reply: FastifyReply, stream: NodeJS.WritableStream) {
    if (this.#taken >= this.#limit) {
      reply.header('retry-after', String(retrySeconds))
      throw new ApiError(
        'UNAVAILABLE',
        `${this.#limit} clients are following the events of this server, as many as NOPROP_STREAM_CLIENTS allows`,
      )
    }
    this.#gauge.set(++this.#taken)
    // calls back for a stream that has ended already, too
    finished(stream, () => this.#gauge.set(--this.#taken))
  }
}
