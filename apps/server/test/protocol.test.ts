import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import type { Run } from '@noprop/contract'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { smallRun, TestServer } from './support/test-server.ts'

let server: TestServer
beforeAll(async () => void (server = await TestServer.start()))
afterAll(() => server.close())

interface RawAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** What comes back for these very bytes, until the server ends the connection. */
async function send(text: string): Promise<string> {
  const socket = connect((server.app.server.address() as AddressInfo).port, '127.0.0.1')
  let answer = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
  socket.write(text)
  await once(socket, 'close')
  return answer
}

/** Sends one request, headers and all, and reads its answer. */
async function ask(line: string, headers: Record<string, string> = {}, body = ''): Promise<RawAnswer> {
  const lines = Object.entries({ Host: 'localhost', Connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}`)
  return parse(await send([`${line} HTTP/1.1`, ...lines, '', body].join('\r\n')))
}

function parse(answer: string): RawAnswer {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  const [status = '', ...lines] = head.split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => line.split(': ') as [string, string]).map(([name, value]) => [name.toLowerCase(), value]),
  )
  return { status: Number(status.split(' ')[1]), headers, body }
}

describe('a request that offers HTTP/2', () => {
  const offer = { Connection: 'Upgrade, HTTP2-Settings, close', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' }

  test('is answered as if it did not', async () => {
    const answer = await ask('GET /livez', offer)
    expect(answer).toMatchObject({ status: 200, body: '{"status":"ok"}' })
  })

  test('has its body read', async () => {
    const body = JSON.stringify(smallRun())
    const answer = await ask('POST /v1/runs', { ...offer, 'Content-Type': 'application/json', 'Content-Length': String(body.length) }, body)
    expect(answer.status).toBe(201)
    expect((JSON.parse(answer.body) as Run).id).toMatch(/^run_/)
  })

  test('leaves the connection open for the next one', async () => {
    const socket = connect((server.app.server.address() as AddressInfo).port, '127.0.0.1').setEncoding('utf8')
    for (const path of ['/livez', '/readyz']) {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`)
      expect(parse(String((await once(socket, 'data'))[0])).status).toBe(200)
    }
    socket.destroy()
  })
})

describe('what never reaches a route', () => {
  const cases: [what: string, line: string, headers: Record<string, string>, status: number, code: string][] = [
    ['a lone %', 'GET /%', {}, 400, 'MALFORMED_URL'],
    ['a lone % for an id', 'GET /v1/runs/%', {}, 400, 'MALFORMED_URL'],
    ['an id of 201 characters', `GET /v1/runs/${'x'.repeat(201)}`, {}, 414, 'URL_TOO_LONG'],
    ['headers of 64 KiB', 'GET /livez', { 'X-Big': 'x'.repeat(1 << 16) }, 431, 'HEADERS_TOO_LARGE'],
    ['an expectation', 'GET /livez', { Expect: 'foo' }, 417, 'EXPECTATION_FAILED'],
    ['a line that is not HTTP', 'GET', {}, 400, 'MALFORMED_REQUEST'],
    ['a stream without upgrade', 'GET /v1/stream', {}, 426, 'UPGRADE_REQUIRED'],
  ]

  test.for(cases)('%s is answered with a problem', async ([, line, headers, status, code]) => {
    const answer = await ask(line, headers)
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(JSON.parse(answer.body)).toMatchObject({
      type: 'about:blank',
      status,
      code,
      request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
  })

  const readable = cases.filter(([, , , , code]) => !['HEADERS_TOO_LARGE', 'MALFORMED_REQUEST'].includes(code))
  test.for(readable)('%s tells a page of another site nothing', async ([, line, headers]) => {
    const foreigners: Record<string, string>[] = [{ Host: 'evil.example' }, { Origin: 'http://evil.example' }]
    for (const foreign of foreigners) {
      const answer = await ask(line, { ...headers, ...foreign })
      expect(answer.status).toBe(403)
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
    }
  })
})

test('a stream without upgrade is told which one it needs', async () => {
  const { headers } = await ask('GET /v1/stream')
  expect(headers).toMatchObject({ upgrade: 'websocket' })
})
