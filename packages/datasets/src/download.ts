import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { LoadProgress } from './dataset.ts'
import { withFileLock } from './file-lock.ts'

export interface RemoteFile {
  readonly name: string
  /** of the file as it is served */
  readonly sizeBytes: number
  readonly sha256: string
}

export interface DownloadOptions {
  /** addresses of folders that hold the file, the preferred one first */
  readonly mirrors: readonly string[]
  readonly onProgress?: (progress: LoadProgress) => void
  readonly signal?: AbortSignal
  /** without a byte for so long, the connection is given up */
  readonly stallTimeoutMs?: number
  /** before the second attempt; grows with each failure */
  readonly retryDelayMs?: number
}

const progressIntervalMs = 200
const attemptsPerMirror = 2

/**
 * Fetches a file to `path`, once for all processes of this machine. What arrived before a connection broke stays beside it in `<path>.part`, and the
 * next attempt, also of a later process, asks only for the rest. The file appears under its name when its checksum is right, not before.
 *
 * @throws {Error} every mirror failed repeatedly without a new byte; its message lists why. An abort throws the signal's reason.
 */
export async function downloadFile(file: RemoteFile, path: string, options: DownloadOptions): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await withFileLock(
    `${path}.lock`,
    async () => {
      if (!(await sizeOf(path))) await fetchFromMirrors(file, path, options)
    },
    options.signal,
  )
}

async function fetchFromMirrors(file: RemoteFile, path: string, options: DownloadOptions): Promise<void> {
  const { mirrors, signal, retryDelayMs = 500 } = options
  const part = `${path}.part`
  const reasons = new Map<string, string>()
  let furthest = 0
  let failures = 0

  for (let attempt = 0; failures < mirrors.length * attemptsPerMirror; attempt++) {
    signal?.throwIfAborted()
    const mirror = mirrors[attempt % mirrors.length]!
    const before = await sizeOf(part)
    try {
      if (before < file.sizeBytes) await fetchRest(file, new URL(file.name, mirror), part, before, options)
      await keepIfRight(file, part, path)
      return
    } catch (error) {
      signal?.throwIfAborted()
      reasons.set(new URL(mirror).host, describe(error))
      const reached = await sizeOf(part)
      // only bytes beyond all earlier attempts count as progress: a mirror of something else must not keep this going for ever
      if (reached > furthest) {
        furthest = reached
        failures = 0
      } else await delay(retryDelayMs * ++failures, undefined, { signal })
    }
  }
  throw new Error([...reasons].map(([host, reason]) => `${host}: ${reason}`).join('; '))
}

/** Appends what is missing to the part file. */
async function fetchRest(file: RemoteFile, url: URL, part: string, offset: number, options: DownloadOptions): Promise<void> {
  const stall = createStallTimer(options.stallTimeoutMs ?? 20_000)
  const signal = options.signal ? AbortSignal.any([options.signal, stall.signal]) : stall.signal
  try {
    const response = await fetch(url, {
      headers: { 'accept-encoding': 'identity', ...(offset > 0 ? { range: `bytes=${offset}-` } : {}) },
      signal,
    })
    const resumed = isContinuation(response, offset)
    if (!resumed && response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`answered ${response.status}`)
    }
    await writeBody(response, file, part, resumed ? offset : 0, { touch: stall.touch, onProgress: options.onProgress })
  } finally {
    stall.stop()
  }
}

function isContinuation(response: Response, offset: number): boolean {
  return response.status === 206 && (response.headers.get('content-range') ?? '').startsWith(`bytes ${offset}-`)
}

interface BodyListener {
  touch(): void
  readonly onProgress?: (progress: LoadProgress) => void
}

async function writeBody(response: Response, file: RemoteFile, part: string, start: number, listener: BodyListener): Promise<void> {
  let receivedBytes = start
  let reportedAt = 0
  const report = () => {
    reportedAt = Date.now()
    listener.onProgress?.({ file: file.name, receivedBytes, totalBytes: file.sizeBytes })
  }

  const handle = await open(part, start > 0 ? 'a' : 'w')
  try {
    report()
    for await (const chunk of response.body ?? []) {
      listener.touch()
      receivedBytes += (chunk as Uint8Array).length
      if (receivedBytes > file.sizeBytes) throw new WrongContentError(`sends more than the ${file.sizeBytes} bytes that belong`)
      await handle.write(chunk as Uint8Array)
      if (Date.now() - reportedAt >= progressIntervalMs) report()
    }
    // a broken connection throws, so this is all that the server has
    if (receivedBytes < file.sizeBytes) throw new WrongContentError(`has only ${receivedBytes} of the ${file.sizeBytes} bytes`)
    report()
    await handle.sync()
  } catch (error) {
    if (error instanceof WrongContentError) await handle.truncate(0)
    throw error
  } finally {
    await handle.close()
  }
}

/** The server answers with another file than the one that was asked for. */
class WrongContentError extends Error {}

/** Gives a complete part file its name; throws a wrong one away, so that the next attempt starts afresh. */
async function keepIfRight(file: RemoteFile, part: string, path: string): Promise<void> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(part)) hash.update(chunk as Buffer)
  const found = hash.digest('hex')
  if (found !== file.sha256) {
    await rm(part, { force: true })
    throw new Error(`its checksum is ${found.slice(0, 12)}…, not ${file.sha256.slice(0, 12)}…`)
  }
  await rename(part, path)
}

function createStallTimer(timeoutMs: number) {
  const controller = new AbortController()
  const fire = () => controller.abort(new Error(`nothing arrived for ${timeoutMs / 1000} seconds`))
  const timer = setTimeout(fire, timeoutMs)
  return { signal: controller.signal, touch: () => void timer.refresh(), stop: () => clearTimeout(timer) }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}

/** `fetch` says only "fetch failed"; why is in its cause. */
function describe(error: unknown): string {
  const { cause, message } = error as Error
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}
