// A lock between processes: a file that its holder touches as long as it lives.
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const touchIntervalMs = 2000
const staleAfterMs = 15_000

/** Runs `work` while no other process runs under the same lock; waits for its turn, and takes over from a holder that died. */
export async function withLock(path, log, work) {
  mkdirSync(dirname(path), { recursive: true })
  for (let waited = false; !tryToTake(path); waited = true) {
    if (!waited) log('Waiting for another start that is setting up …')
    if (isAbandoned(path)) setAside(path)
    else await sleep(300)
  }
  const touching = setInterval(() => touch(path), touchIntervalMs)
  try {
    return await work()
  } finally {
    clearInterval(touching)
    rmSync(path, { force: true })
  }
}

function touch(path) {
  try {
    utimesSync(path, new Date(), new Date())
  } catch {
    // somebody removed it, with the folder it is in perhaps; the work goes on
  }
}

function tryToTake(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function isAbandoned(path) {
  try {
    if (Date.now() - statSync(path).mtimeMs > staleAfterMs) return true
    const holder = Number(readFileSync(path, 'utf8'))
    return holder > 0 && !isAlive(holder)
  } catch {
    return false // just released
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Only one of several waiters can rename the file; who was too late put aside a fresh lock, and puts it back. */
function setAside(path) {
  const aside = `${path}.${process.pid}`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  if (isAbandoned(aside)) rmSync(aside, { force: true })
  else renameSync(aside, path)
}
