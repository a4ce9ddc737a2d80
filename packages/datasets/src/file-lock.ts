import { open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'

/** A lock whose holder has not touched it for so long is taken to be dead. */
const staleAfterMs = 30_000
const touchIntervalMs = 5_000
const pollIntervalMs = 200

/**
 * Runs `work` while no other process runs work under the same lock file. The lock of a process that died is broken after 30 seconds, at once
 * where its pid is gone. Work that must survive two holders at once (a paused machine) has to check its own result.
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  while (!(await acquire(path))) {
    if (await isAbandoned(path)) await breakLock(path)
    else await delay(pollIntervalMs, undefined, { signal })
  }
  const touch = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), touchIntervalMs)
  try {
    return await work()
  } finally {
    clearInterval(touch)
    await rm(path, { force: true })
  }
}

async function acquire(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx')
    await file.writeFile(String(process.pid))
    await file.close()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  try {
    const [{ mtimeMs }, content] = await Promise.all([stat(path), readFile(path, 'utf8')])
    if (Date.now() - mtimeMs > staleAfterMs) return true
    const pid = Number(content)
    return pid > 0 && !isAlive(pid)
  } catch {
    return false // it was released in this moment
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** By renaming, because of several processes that find the same dead lock only one can rename it. */
async function breakLock(path: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
    await rm(aside, { force: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
