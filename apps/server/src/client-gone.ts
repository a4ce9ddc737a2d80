import type { FastifyReply } from 'fastify'

/** Aborted when the answer has been sent, or its client has gone away. */
export function clientGone(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => controller.abort())
  return controller.signal
}
