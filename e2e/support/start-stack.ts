import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const startTimeoutMs = 30_000
const stopTimeoutMs = 10_000

/** A server of its own: the built product on a free port, with an empty data folder. */
export interface Stack {
  readonly url: string
  /** What the server has written to its terminal. */
  readonly log: () => string
  /** Ends the server and its trainers and removes the data folder. */
  readonly stop: () => Promise<void>
}

/** @param variables added to the environment of the server, such as NOPROP_API_TOKEN */
export async function startStack(variables: Record<string, string> = {}): Promise<Stack> {
  const dataDir = await mkdtemp(join(tmpdir(), 'noprop-e2e-'))
  const port = await findFreePort()
  const server = spawn(process.execPath, ['--enable-source-maps', 'dist/server/main.js'], {
    cwd: root,
    env: { ...process.env, HOST: '127.0.0.1', PORT: String(port), NOPROP_DATA_DIR: dataDir, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  server.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(text))
  server.stderr.setEncoding('utf8').on('data', (text: string) => lines.push(text))

  const url = `http://127.0.0.1:${port}`
  const stop = async () => {
    await endProcess(server)
    await rm(dataDir, { recursive: true, force: true })
  }
  try {
    await waitUntilReady(url, server)
  } catch (error) {
    await stop()
    throw new Error(`the server did not get ready:\n${lines.join('')}`, { cause: error })
  }
  return { url, log: () => lines.join(''), stop }
}

export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}

export async function waitUntilReady(url: string, server: ChildProcess) {
  for (const start = Date.now(); Date.now() - start < startTimeoutMs; await sleep(100)) {
    if (hasEnded(server)) throw new Error(`the server ended with ${server.signalCode ?? `exit code ${server.exitCode}`}`)
    const ready = await fetch(`${url}/readyz`).then(
      (response) => response.ok,
      () => false,
    )
    if (ready) return
  }
  throw new Error(`not ready after ${startTimeoutMs / 1000} s`)
}

async function endProcess(child: ChildProcess) {
  if (hasEnded(child)) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  if ((await Promise.race([ended, sleep(stopTimeoutMs, 'too long')])) === 'too long') {
    child.kill('SIGKILL')
    await ended
  }
}

function hasEnded(child: ChildProcess) {
  return child.exitCode !== null || child.signalCode !== null
}
