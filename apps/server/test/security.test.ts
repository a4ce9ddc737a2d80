import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { smallRun, TestServer } from './support/test-server.ts'

const token = 'correct-horse-battery-staple'

let open: TestServer
let guarded: TestServer
beforeAll(async () => {
  open = await TestServer.start()
  guarded = await TestServer.start({ apiToken: token })
})
afterAll(async () => {
  await open.close()
  await guarded.close()
})

/** A request with any headers, Host included, which fetch does not let one choose. */
function raw(server: TestServer, path: string, headers: Record<string, string>, method = 'GET'): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(server.url + path, { method, headers }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.on('end', () => resolve({ status: response.statusCode!, body }))
    })
    sent.on('error', reject).end()
  })
}

/** How an attempt to open the stream ends: `open`, the status of a refusal, or the code of an immediate close. */
function openStream(server: TestServer, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/v1/stream`, { headers })
    const timer = setTimeout(() => finish('open'), 300)
    const finish = (result: string) => {
      clearTimeout(timer)
      socket.terminate()
      resolve(result)
    }
    socket.on('unexpected-response', (_request, response) => finish(String(response.statusCode)))
    socket.on('close', (code) => finish(String(code)))
    socket.on('error', () => {})
  })
}

describe('Host and Origin', () => {
  test.for(['evil.example', 'evil.example:3000', '127.0.0.1.evil.example'])('a request for host "%s" is refused', async (host) => {
    const answer = await raw(open, '/v1/runs', { host })
    expect(answer.status).toBe(403)
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'FORBIDDEN_HOST' })
  })

  test('a request from a page of another site is refused, reading and writing', async () => {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const answer = await raw(open, '/v1/runs', { origin: 'http://evil.example' }, method)
      expect(answer.status).toBe(403)
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'FORBIDDEN_ORIGIN' })
    }
  })

  test('a request from our own page is served', async () => {
    expect((await raw(open, '/v1/runs', { origin: open.url })).status).toBe(200)
  })

  test('a WebSocket from another site, or for another host, is refused before it opens', async () => {
    expect(await openStream(open, { origin: 'http://evil.example' })).toBe('403')
    expect(await openStream(open, { host: 'evil.example' })).toBe('403')
    expect(await openStream(open, { origin: open.url })).toBe('open')
  })
})

describe('a server with a token', () => {
  const paths = [
    '/v1/runs',
    '/v1/presets',
    '/v1/runs/run_00000000000000000000000000/events',
    '/metrics',
    '/openapi.json',
    '/docs',
    '/docs/static/index.html',
    '/v1/nothing',
  ]

  test.for(paths)('refuses %s without it', async (path) => {
    const answer = await guarded.get(path)
    expect(answer).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } })
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="noprop"')
  })

  test('refuses to create a run without it, and stores nothing', async () => {
    expect((await guarded.request('POST', '/v1/runs', smallRun())).status).toBe(401)
    expect(await guarded.app.db.run.count()).toBe(0)
  })

  test.for([`Bearer ${token}x`, `Bearer ${token.slice(1)}`, `Basic ${token}`, token, 'Bearer', `Bearer ${token} x`])(
    'refuses "%s"',
    async (authorization) => {
      expect((await guarded.request('GET', '/v1/runs', undefined, { authorization })).status).toBe(401)
    },
  )

  test('serves who carries it', async () => {
    expect((await guarded.request('GET', '/v1/runs', undefined, { authorization: `Bearer ${token}` })).status).toBe(200)
  })

  test.for(['/livez', '/readyz', '/v1/session'])('serves %s to anybody', async (path) => {
    expect((await guarded.get(path)).status).toBe(200)
  })

  test('does not tell a stranger which paths exist', async () => {
    const bodies = await Promise.all(['/v1/runs', '/v1/nothing'].map(async (path) => (await guarded.get<{ code: string }>(path)).body.code))
    expect(new Set(bodies).size).toBe(1)
  })

  test('closes a stream of a stranger with 4401, and keeps that of a friend open', async () => {
    expect(await openStream(guarded, {})).toBe('4401')
    expect(await openStream(guarded, { authorization: `Bearer ${token}` })).toBe('open')
  })
})

describe('a session', () => {
  test('is given for the token, opens everything, and ends with the logout', async () => {
    expect((await guarded.get('/v1/session')).body).toEqual({ required: true, authenticated: false })
    const login = await guarded.request('POST', '/v1/session', { token })
    expect(login.status).toBe(204)
    const setCookie = login.headers.get('set-cookie')!
    expect(setCookie).toMatch(/; HttpOnly; SameSite=Strict; Max-Age=\d+$/)
    expect(setCookie).not.toContain(token)
    const cookie = setCookie.split(';')[0]!
    expect((await guarded.request('GET', '/v1/runs', undefined, { cookie })).status).toBe(200)
    expect((await guarded.request('GET', '/v1/session', undefined, { cookie: `a=b; ${cookie}` })).body).toEqual({
      required: true,
      authenticated: true,
    })
    expect(await openStream(guarded, { cookie })).toBe('open')
    const logout = await guarded.request('DELETE', '/v1/session', undefined, { cookie })
    expect(logout.headers.get('set-cookie')).toMatch(/^noprop_session=; .*Max-Age=0$/)
  })

  test('that is forged, altered or expired opens nothing', async () => {
    const { headers } = await guarded.request('POST', '/v1/session', { token })
    const [expiry, signature] = headers.get('set-cookie')!.split(';')[0]!.slice('noprop_session='.length).split('.')
    const forgeries = [
      `${Number(expiry) + 1}.${signature}`,
      `${expiry}.`,
      `.${signature}`,
      `${Date.now() - 1}.${signature}`,
      expiry!,
      token,
      '',
    ]
    for (const value of forgeries) {
      expect((await guarded.request('GET', '/v1/runs', undefined, { cookie: `noprop_session=${value}` })).status).toBe(401)
    }
  })

  test('is needed nowhere on a server without a token', async () => {
    expect((await open.get('/v1/session')).body).toEqual({ required: false, authenticated: true })
  })

  test('is refused for a wrong token, and guessing is slowed down', async () => {
    const guesses = await Promise.all(Array.from({ length: 30 }, (_, i) => guarded.request('POST', '/v1/session', { token: `guess-${i}` })))
    const statuses = guesses.map(({ status }) => status)
    expect(statuses).toContain(401)
    expect(statuses).toContain(429)
    expect(guesses.find(({ status }) => status === 429)!.body).toMatchObject({ code: 'RATE_LIMITED' })
    expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(10)
  })
})

describe('what a browser is told', () => {
  test('nothing but our own scripts, no framing, no sniffing', async () => {
    const { headers } = await open.get('/livez')
    expect(headers.get('content-security-policy')).toContain("script-src 'self'")
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })
})

describe('documents of the server', () => {
  test('the OpenAPI document is of version 3.1 and lists the routes with their problems', async () => {
    const { body } = await open.get<{
      openapi: string
      paths: Record<string, Record<string, { responses: object }>>
      components: { schemas: object }
    }>('/openapi.json')
    expect(body.openapi).toBe('3.1.0')
    expect(Object.keys(body.paths)).toEqual(expect.arrayContaining(['/v1/runs', '/v1/runs/{run_id}', '/v1/runs/{run_id}/cancel', '/livez']))
    expect(Object.keys(body.paths['/v1/runs']!['post']!.responses)).toEqual(['201', '4XX', '5XX'])
    expect(Object.keys(body.components.schemas)).toEqual(expect.arrayContaining(['Run', 'RunEvent', 'Problem']))
  })

  test('its page needs nothing from other hosts, and finds all that it needs here', async () => {
    const page = await fetch(`${open.url}/docs`, { headers: { accept: 'text/html' } })
    const html = await page.text()
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'")
    const sources = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => new URL(source!, page.url))
    expect(sources.length).toBeGreaterThan(3)
    for (const source of sources) {
      expect(source.origin).toBe(open.url)
      expect((await fetch(source)).status).toBe(200)
    }
  })

  test('the metrics speak of runs by status and of nothing that a request chose', async () => {
    const { id } = await open.ended((await open.createRun(smallRun())).id)
    await open.get(`/v1/runs/${id}`)
    const { body } = await open.request<string>('GET', '/metrics')
    expect(body).toMatch(/^noprop_runs\{status="succeeded"\} 1$/m)
    expect(body).toMatch(/^noprop_http_request_duration_seconds_count\{method="GET",route="\/v1\/runs\/:run_id",status="200"\} \d+$/m)
    expect(body).not.toContain(id)
  })
})
