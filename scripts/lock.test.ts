import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { withLock } from './lock.mjs'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'noprop-lock-'))
  path = join(folder, 'cache/lock')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const silent = () => {}
/** No process has it: Linux counts to 2^22, macOS to 99999. */
const unusedPid = 2 ** 22 + 1

describe('withLock', () => {
  test('holders take turns, and a waiting one says so once', async () => {
    const said: string[] = []
    let inside = 0
    let most = 0
    const work = async () => {
      most = Math.max(most, ++inside)
      await sleep(20)
      inside -= 1
    }
    await Promise.all([1, 2, 3].map(() => withLock(path, (line: string) => said.push(line), work)))
    expect(most).toBe(1)
    expect(said).toHaveLength(2)
  })

  test('gives what the work gives, and is free after an error', async () => {
    await expect(withLock(path, silent, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(existsSync(path)).toBe(false)
    expect(await withLock(path, silent, async () => 7)).toBe(7)
  })

  test('lets the work go on when somebody removes the file', async () => {
    const work = async () => {
      rmSync(folder, { recursive: true })
      await sleep(2300) // longer than it takes to be touched again
      return 7
    }
    expect(await withLock(path, silent, work)).toBe(7)
  })

  test('takes over from a process that is gone', async () => {
    await withLock(path, silent, async () => {})
    writeFileSync(path, String(unusedPid))
    expect(await withLock(path, silent, async () => 'mine')).toBe('mine')
  })

  test('takes over a lock that nobody has touched for long, though a process has its number', async () => {
    await withLock(path, silent, async () => {})
    writeFileSync(path, String(process.ppid))
    const longAgo = new Date(Date.now() - 60_000)
    utimesSync(path, longAgo, longAgo)
    expect(await withLock(path, silent, async () => 'mine')).toBe('mine')
  })
})
