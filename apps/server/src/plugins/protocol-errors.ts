import { IncomingMessage, type IncomingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError } from '../api-error.ts'
import { problemOf, sendProblem } from './error-handler.ts'
import { refusalOf } from './request-origin.ts'

const problemType = 'application/problem+json'

/**
 * A request whose only upgrade is that to a WebSocket. Any other may be ignored (RFC 9110, 7.8), such as the offer of HTTP/2 (`h2c`) that
 * curl and Java's client send along; without this, Node would take such a request out of HTTP as well.
 */
export class WebSocketOnlyRequest extends IncomingMessage {
  get upgrade(): boolean {
    return this.#isUpgrade && /^websocket$/i.test(this.headers.upgrade ?? '')
  }

  /** Node's parser says here whether the client asks for an upgrade, its constructor that it does not know yet. */
  set upgrade(value: boolean | null) {
    // the constructor of the class above runs before there is the private field
    if (#isUpgrade in this) this.#isUpgrade = value === true
  }

  #isUpgrade = false
}

/** Answers what the router refuses before any hook runs: an address that cannot be decoded, an id that is too long. */
export function refuseByRouter(host: string) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    void sendProblem(reply, problemOf(refusalOf(request.headers, host) ?? explained(error), request))
  }
}

function explained(error: FastifyError): Error {
  if (error.code === 'FST_ERR_BAD_URL')
    return new ApiError('MALFORMED_URL', 'The address holds a % that begins no escape sequence', { title: 'The address cannot be read' })
  if (error.code === 'FST_ERR_MAX_PARAM_LENGTH')
    return new ApiError('URL_TOO_LONG', 'A part of the address is too long', { status: 414, title: 'The address is too long' })
  return error
}

/** Answers what Node's parser refuses: nothing is known of such a request but how it is wrong. */
export function refuseByParser(this: { log: FastifyBaseLogger }, error: NodeJS.ErrnoException, socket: Socket) {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  this.log.debug({ err: error }, 'a request could not be read')
  const problem = problemOf(parserError(error.code), { id: crypto.randomUUID() })
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `Content-Type: ${problemType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroySoon()
}

function parserError(code: string | undefined): ApiError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new ApiError('REQUEST_TIMEOUT', 'The request did not arrive in time', { status: 408, title: 'The request took too long' })
  if (code === 'HPE_HEADER_OVERFLOW')
    return new ApiError('HEADERS_TOO_LARGE', 'The headers are too large', { status: 431, title: 'The headers are too large' })
  return new ApiError('MALFORMED_REQUEST', 'This is not a request of HTTP/1.1', { title: 'The request cannot be read' })
}

/** Answers an `Expect` other than 100-continue, which Node keeps from the routes. */
export function refuseExpectations(app: FastifyInstance, host: string) {
  app.server.on('checkExpectation', ({ headers }: { headers: IncomingHttpHeaders }, response: ServerResponse) => {
    const detail = 'The only expectation that this server meets is 100-continue'
    const unmet = new ApiError('EXPECTATION_FAILED', detail, { status: 417, title: 'The expectation cannot be met' })
    const problem = problemOf(refusalOf(headers, host) ?? unmet, { id: crypto.randomUUID() })
    const body = JSON.stringify(problem)
    // what follows in the connection is the body, which nobody reads
    response
      .writeHead(problem.status, { 'content-type': problemType, 'content-length': Buffer.byteLength(body), connection: 'close' })
      .end(body)
  })
}
