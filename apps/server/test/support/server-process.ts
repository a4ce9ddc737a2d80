import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const fixture = fileURLToPath(new URL('../fixtures/serve.ts', import.meta.url))
const main = fileURLToPath(new URL('../../../../dist/server/main.js', import.meta.url))

/** A server in a process of its own. */
export class ServerProcess {
  readonly url: string
  readonly #child: ChildProcess

  private constructor(url: string, child: ChildProcess) {
    this.url = url
    this.#child = child
  }

  /** Starts it with scripted trainers, and waits until it listens. */
  static start(dataDir: string): Promise<ServerProcess> {
    return ServerProcess.#startEntry(fixture, dataDir)
  }

  /** Starts the bundle that ships, with the trainers that ship. */
  static startMain(dataDir: string): Promise<ServerProcess> {
    return ServerProcess.#startEntry(main, dataDir)
  }

  static async #startEntry(entry: string, dataDir: string): Promise<ServerProcess> {
    const child = spawnServer(entry, { NOPROP_DATA_DIR: dataDir, PORT: '0', NOPROP_TRAINERS: '2', LOG_LEVEL: 'warn' })
    let output = ''
    for await (const chunk of child.stdout!) {
      output += String(chunk)
      const url = /^NoProp Studio listens on (\S+)$/m.exec(output)?.[1]
      if (url) return new ServerProcess(url, child)
    }
    throw new Error(`the server did not start: ${output}`)
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(this.url + path, { headers: { accept: 'application/json' } })
    return (await response.json()) as T
  }

  async post<T>(path: string, body?: unknown): Promise<T> {
    const json = body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    const response = await fetch(this.url + path, { method: 'POST', ...json })
    return (await response.json()) as T
  }

  /** Sends a signal and waits for the end; answers the exit code, or null where the signal was the end. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const exited = once(this.#child, 'exit')
    this.#child.kill(signal)
    const [code] = (await exited) as [number | null]
    return code
  }
}

/** Runs the bundle that ships, which Vitest's global set-up builds, to its end. */
export async function runMain(env: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const child = spawnServer(main, env)
  let output = ''
  child.stdout!.on('data', (chunk) => (output += String(chunk)))
  child.stderr!.on('data', (chunk) => (output += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}

function spawnServer(entry: string, env: Record<string, string>): ChildProcess {
  const { PATH, HOME } = process.env
  const loader = entry.endsWith('.ts') ? ['--import', 'tsx'] : []
  return spawn(process.execPath, [...loader, entry], { env: { PATH, HOME, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
}
