import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findAppRoot } from './app-root.ts'
import { ConfigError, environment, isLoopback, loadConfig } from './config.ts'

describe('loadConfig', () => {
  test('with nothing set listens on loopback and uses every core', () => {
    expect(loadConfig({})).toMatchObject({
      host: '127.0.0.1',
      port: 3000,
      dataDir: resolve('data'),
      datasetsDir: null,
      trainers: availableParallelism(),
      streamClients: 2000,
      apiToken: null,
      logLevel: 'info',
      gitCommit: null,
      predictionBatch: { images: 32, delayMs: 5 },
      predictionQueue: 256,
    })
  })

  test('takes empty values for none', () => {
    expect(loadConfig({ PORT: '', NOPROP_DATASETS_DIR: ' ', NOPROP_API_TOKEN: '' })).toMatchObject({
      port: 3000,
      datasetsDir: null,
      apiToken: null,
    })
  })

  test('cannot be changed', () => {
    expect(Object.isFrozen(loadConfig({}))).toBe(true)
  })

  test.for([
    [{ PORT: '-1' }, 'PORT=-1'],
    [{ PORT: '65536' }, 'PORT=65536'],
    [{ PORT: '1e3' }, 'PORT=1e3'],
    [{ HOST: 'a b' }, 'HOST=a b'],
    [{ HOST: 'http://localhost' }, 'HOST=http://localhost'],
    [{ NOPROP_TRAINERS: '0' }, 'NOPROP_TRAINERS=0'],
    [{ NOPROP_TRAINERS: '1.5' }, 'NOPROP_TRAINERS=1.5'],
    [{ NOPROP_PREDICT_BATCH: '33' }, 'NOPROP_PREDICT_BATCH=33'],
    [{ NOPROP_PREDICT_DELAY_MS: '-1' }, 'NOPROP_PREDICT_DELAY_MS=-1'],
    [{ NOPROP_PREDICT_QUEUE: '0' }, 'NOPROP_PREDICT_QUEUE=0'],
    [{ NOPROP_STREAM_CLIENTS: '0' }, 'NOPROP_STREAM_CLIENTS=0'],
    [{ NOPROP_API_TOKEN: 'short' }, 'NOPROP_API_TOKEN'],
    [{ NOPROP_API_TOKEN: 'with a space in its middle' }, 'NOPROP_API_TOKEN'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL=loud'],
  ] as const)('refuses %o in a sentence that says what to set', ([env, text]) => {
    expect(() => loadConfig(env)).toThrow(ConfigError)
    expect(() => loadConfig(env)).toThrow(text)
    expect(() => loadConfig(env)).toThrow(/Set it to/)
  })

  test('never repeats a token in an error', () => {
    expect(() => loadConfig({ NOPROP_API_TOKEN: 'geheim' })).not.toThrow(/geheim/)
  })

  test.for(['0.0.0.0', '::', '192.168.1.5', 'studio.example.org'])('refuses to listen on %s without a token', (host) => {
    expect(() => loadConfig({ HOST: host })).toThrow('Set NOPROP_API_TOKEN')
    expect(loadConfig({ HOST: host, NOPROP_API_TOKEN: 'a-secret-of-20-chars' }).host).toBe(host)
  })

  test.for(['127.0.0.1', '127.8.8.8', '::1', '[::1]', 'localhost'])('listens on %s without a token', (host) => {
    expect(loadConfig({ HOST: host }).host).toBe(host.replace(/[[\]]/g, ''))
  })
})

test('loopback is not what merely begins like it', () => {
  expect(isLoopback('127.0.0.1.example.org')).toBe(false)
  expect(isLoopback('localhost.example.org')).toBe(false)
  expect(isLoopback('app.localhost')).toBe(true)
})

test('.env.example lists every variable, in order, with its description', () => {
  const text = readFileSync(join(findAppRoot(), '.env.example'), 'utf8')
  const listed = [...text.matchAll(/^# (.+)\n#?([A-Z_]+)=/gm)].map(([, description, name]) => ({ name, description }))
  expect(listed).toEqual(Object.entries(environment).map(([name, { description }]) => ({ name, description })))
})
