import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { downloadFile } from '../src/download.ts'
import { defineIdxDataset } from '../src/idx-dataset.ts'
import { idxFixture } from './idx-fixture.ts'

const content = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 13))
const file = { name: 'f.gz', sizeBytes: content.length, sha256: createHash('sha256').update(content).digest('hex') }
const quick = { retryDelayMs: 1 }

let folder: string
let path: string
let requests: { url: string; range: string | undefined }[]
const servers: Server[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'noprop-download-'))
  path = join(folder, 'set', 'f.gz')
  requests = []
})
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
  await rm(folder, { recursive: true })
})

type Handler = (request: IncomingMessage, response: ServerResponse, requestNumber: number) => void

/** Starts a server on a free port and returns the address of its folder. */
async function serve(handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    requests.push({ url: request.url!, range: request.headers.range })
    handler(request, response, requests.length)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mnist/`
}

/** Answers as a static file server does, ranges included. */
function sendFile(bytes: Buffer, request: IncomingMessage, response: ServerResponse) {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const headers = {
    'content-length': bytes.length - start,
    ...(start ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
  }
  response.writeHead(start ? 206 : 200, headers)
  response.end(bytes.subarray(start))
}

const whole: Handler = (request, response) => sendFile(content, request, response)
/** Sends the first part, then breaks the connection. */
const interrupted: Handler = (_, response) => {
  response.writeHead(200, { 'content-length': content.length })
  response.write(content.subarray(0, 120_000), () => setTimeout(() => response.destroy(), 20))
}

test('a file arrives whole, with its progress, and leaves nothing beside it', async () => {
  const progress: [number, number | null][] = []
  const mirrors = [await serve(whole)]
  await downloadFile(file, path, { mirrors, ...quick, onProgress: (p) => progress.push([p.receivedBytes, p.totalBytes]) })
  expect((await readFile(path)).equals(content)).toBe(true)
  expect(progress[0]).toEqual([0, 300_000])
  expect(progress.at(-1)).toEqual([300_000, 300_000])
  expect(await readdir(join(folder, 'set'))).toEqual(['f.gz'])
  expect(requests).toEqual([{ url: '/mnist/f.gz', range: undefined }])
})

test('after an interruption only the rest is asked for', async () => {
  const mirrors = [await serve((request, response, n) => (n === 1 ? interrupted : whole)(request, response, n))]
  await downloadFile(file, path, { mirrors, ...quick })
  expect((await readFile(path)).equals(content)).toBe(true)
  expect(requests).toHaveLength(2)
  expect(requests[1]!.range).toBe('bytes=120000-')
})

test('a later process goes on where an aborted one stopped', async () => {
  const controller = new AbortController()
  const reason = new Error('stop')
  const stuck = await serve((_, response) => {
    response.writeHead(200, { 'content-length': content.length })
    response.write(content.subarray(0, 70_000))
    setTimeout(() => controller.abort(reason), 80)
  })
  await expect(downloadFile(file, path, { mirrors: [stuck], retryDelayMs: 1, signal: controller.signal })).rejects.toBe(reason)
  expect((await readdir(join(folder, 'set'))).sort()).toEqual(['f.gz.part'])
  await downloadFile(file, path, { mirrors: [await serve(whole)], ...quick })
  expect(requests.at(-1)!.range).toBe('bytes=70000-')
  expect((await readFile(path)).equals(content)).toBe(true)
})

test('a server that ignores ranges is read from the start', async () => {
  const mirrors = [
    await serve((request, response, n) => {
      if (n === 1) interrupted(request, response, n)
      else response.end(content)
    }),
  ]
  await downloadFile(file, path, { mirrors, ...quick })
  expect((await readFile(path)).equals(content)).toBe(true)
})

test.each<[string, Handler]>([
  ['is missing', (_, response) => response.writeHead(404).end('not found')],
  ['sends something else of a length that it tells', (_, response) => response.writeHead(200, { 'content-length': 5 }).end('hello')],
  ['sends something else', (_, response) => response.end('<html>please log in</html>')],
  [
    'sends the right length with a wrong bit',
    (_, response) => response.end(Buffer.concat([content.subarray(0, -1), Buffer.from([0xff ^ content.at(-1)!])])),
  ],
  ['never ends', (_, response) => void response.write(Buffer.concat([content, content]))],
  ['never answers', () => {}],
])('where the first mirror %s, the second one is used', async (_, handler) => {
  const mirrors = [await serve(handler), await serve(whole)]
  await downloadFile(file, path, { mirrors, ...quick, stallTimeoutMs: 1000 })
  expect((await readFile(path)).equals(content)).toBe(true)
})

test('a damaged part of an earlier attempt is thrown away', async () => {
  const mirrors = [await serve(whole)]
  await downloadFile(file, path, { mirrors, ...quick })
  await rm(path)
  await writeFile(`${path}.part`, Buffer.alloc(1000, 7))
  await downloadFile(file, path, { mirrors, ...quick })
  expect((await readFile(path)).equals(content)).toBe(true)
})

test('when every mirror fails the error says why, for each', async () => {
  const mirrors = [await serve((_, response) => response.writeHead(503).end()), 'http://127.0.0.1:1/']
  await expect(downloadFile(file, path, { mirrors, ...quick })).rejects.toThrow(/answered 503; 127\.0\.0\.1:1: /)
  expect(existsSync(path)).toBe(false)
})

test('several at once fetch a file once', async () => {
  const mirrors = [await serve((request, response) => setTimeout(() => sendFile(content, request, response), 100))]
  await Promise.all([1, 2, 3].map(() => downloadFile(file, path, { mirrors, ...quick })))
  expect((await readFile(path)).equals(content)).toBe(true)
  expect(requests).toHaveLength(1)
})

test('the lock of a process that died is broken', async () => {
  const dead = spawn(process.execPath, ['-e', ''])
  await new Promise((resolve) => dead.on('exit', resolve))
  await mkdir(join(folder, 'set'))
  await writeFile(`${path}.lock`, String(dead.pid))
  await downloadFile(file, path, { mirrors: [await serve(whole)], ...quick })
  expect(await readdir(join(folder, 'set'))).toEqual(['f.gz'])
})

test('a set is downloaded into the data folder once, and read from there from then on', async () => {
  const { set, files } = idxFixture()
  const address = await serve((request, response) =>
    sendFile(Buffer.from(files.get(request.url!.slice('/mnist/'.length))!), request, response),
  )
  const dataset = defineIdxDataset({ ...set, mirrors: [address] })
  const folders = { dataDir: join(folder, 'data'), datasetsDir: null }
  expect(dataset.locate(folders)).toBe('download')
  const progress: string[] = []
  const { train } = await dataset.load({ ...folders, onProgress: (p) => progress.push(p.file) })
  expect(dataset.locate(folders)).toBe('downloaded')
  expect(new Set(progress)).toEqual(new Set(['train-images.gz', 'train-labels.gz', 'test-images.gz', 'test-labels.gz']))
  expect((await dataset.load(folders)).train).toEqual(train)
  expect(requests).toHaveLength(4)
})
