import { CloseCode } from '@noprop/contract'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import { ApiError } from '../api-error.ts'
import { WebSocketOnlyRequest } from '../plugins/protocol-errors.ts'
import { type MessageIntervals, RunChannels } from './run-channels.ts'
import { type ConnectionLimits, farewellMs, StreamConnection } from './stream-connection.ts'

export interface StreamLimits extends ConnectionLimits {
  readonly intervals: MessageIntervals
}

export const streamLimits: StreamLimits = {
  intervals: { state: 50, numbers: 250, run: 1000, crowd: 350 },
  maxBufferedBytes: 1 << 20,
  slowClientMs: 5000,
  pingIntervalMs: 20_000,
}

const maxMessageBytes = 4096

/** `WS /v1/stream`: live histories of runs, resumable by their `seq`. */
export async function eventSocket(app: FastifyInstance, { limits }: { limits: StreamLimits }) {
  await app.register(websocket, {
    options: { maxPayload: maxMessageBytes, perMessageDeflate: false },
    preClose(done) {
      // a client that does not answer the close would otherwise hold up the end of the server
      for (const client of app.websocketServer.clients) {
        client.close(1001, 'the server is shutting down')
        setTimeout(() => client.terminate(), farewellMs).unref()
      }
      app.websocketServer.close(() => done())
    },
  })
  // the socket of a refused upgrade belongs to nobody any more: left open, it would hold up the end of the server
  app.addHook('onResponse', async ({ raw }) => {
    if (raw instanceof WebSocketOnlyRequest && raw.upgrade) raw.socket.destroySoon()
  })
  const channels = new RunChannels({ events: app.events, runs: app.runs, intervals: limits.intervals, log: app.log })
  const connections = new Set<StreamConnection>()
  const watch = setInterval(
    () => {
      const now = performance.now()
      for (const connection of connections) connection.check(now)
    },
    Math.min(500, limits.slowClientMs / 2),
  ).unref()
  app.addHook('onClose', async () => clearInterval(watch))

  app.register(async (scope) => {
    scope.route({
      method: 'GET',
      url: '/v1/stream',
      config: { public: true, unmeasured: true },
      schema: { hide: true },
      preHandler: async ({ ws, raw }, reply) => {
        if (ws) app.streamSlots.take(reply, raw.socket)
      },
      handler: async (_request, reply) => {
        reply.header('upgrade', 'websocket').header('connection', 'upgrade, close')
        throw new ApiError('UPGRADE_REQUIRED', 'This is a WebSocket', { status: 426, title: 'Another protocol is needed' })
      },
      wsHandler: (socket, request) => {
        // a browser learns nothing of a refused upgrade, so authentication is answered on the open socket
        if (!request.isAuthenticated) return socket.close(CloseCode.unauthenticated, 'authentication is needed')
        const connection = new StreamConnection({ app, channels, limits }, socket, request.id)
        connections.add(connection)
        socket.on('close', () => {
          connections.delete(connection)
          connection.close()
        })
      },
    })
  })
}
