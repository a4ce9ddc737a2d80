import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from './config.ts'
import { explainStartError } from './explain-start-error.ts'
import { Database } from './plugins/database.ts'

let folder: string
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'noprop-start-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** What a start in this data folder says. */
async function explanationFor(dataDir: string): Promise<unknown> {
  const config = loadConfig({ NOPROP_DATA_DIR: dataDir })
  const error = await Database.open(dataDir, config.migrationsDir).then(
    async (database) => database.close(),
    (reason: NodeJS.ErrnoException) => reason,
  )
  expect(error).toBeInstanceOf(Error)
  return explainStartError(error as NodeJS.ErrnoException, config)
}

describe('a data folder', () => {
  test('that is a file, lies in one, or is a link to nothing cannot be written', async () => {
    writeFileSync(join(folder, 'file'), '')
    symlinkSync(join(folder, 'nowhere/at/all'), join(folder, 'link'))
    for (const path of ['file', 'file/data', 'link']) {
      const dataDir = join(folder, path)
      expect(await explanationFor(dataDir)).toMatch(`The data folder ${dataDir} cannot be written`)
    }
  })

  test('whose database is a folder cannot be written', async () => {
    mkdirSync(join(folder, 'noprop.db'))
    expect(await explanationFor(folder)).toMatch(`The data folder ${folder} cannot be written`)
  })

  test.skipIf(process.getuid?.() === 0)('whose database may only be read cannot be written', async () => {
    writeFileSync(join(folder, 'noprop.db'), '')
    chmodSync(join(folder, 'noprop.db'), 0o400)
    expect(await explanationFor(folder)).toMatch(`The data folder ${folder} cannot be written`)
  })

  test.for(['noprop.db', 'server.lock'])('whose %s holds something else is damaged', async (name) => {
    writeFileSync(join(folder, name), 'x'.repeat(5000))
    expect(await explanationFor(folder)).toMatch(`A database in the data folder ${folder} is damaged`)
  })
})

describe('an error', () => {
  const config = loadConfig({})
  const errorOf = (code: string) => Object.assign(new Error('no'), { code })

  test.for([
    ['SQLITE_READONLY_DBMOVED', 'cannot be written'],
    ['SQLITE_READONLY_DIRECTORY', 'cannot be written'],
    ['SQLITE_CORRUPT_INDEX', 'is damaged'],
    ['ENOSPC', 'is full'],
    ['SQLITE_FULL', 'is full'],
  ] as const)('of code %s says that the data folder %s', ([code, words]) => {
    expect(explainStartError(errorOf(code), config)).toContain(words)
  })

  test('that a user cannot mend is shown whole', () => {
    const error = new TypeError('x is not a function')
    expect(explainStartError(error, config)).toBe(error)
  })
})
