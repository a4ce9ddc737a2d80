import { describe, expect, test } from 'vitest'
import { isSameOrigin, isServedHost } from './request-origin.ts'

describe('isServedHost', () => {
  test.for(['localhost', 'localhost:3000', '127.0.0.1:80', '[::1]:3000', 'LOCALHOST:3000', 'app.localhost'])(
    'serves %s on loopback',
    (header) => {
      expect(isServedHost(header, '127.0.0.1')).toBe(true)
    },
  )

  test.for([
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '192.168.1.5',
    '',
    ' ',
    'a b',
    '[evil]',
    'localhost:3000:1',
    'user@localhost',
  ])('refuses "%s" on loopback', (header) => {
    expect(isServedHost(header, '127.0.0.1')).toBe(false)
  })

  test('serves the name it was told to listen on', () => {
    expect(isServedHost('studio.lan:3000', 'studio.lan')).toBe(true)
    expect(isServedHost('other.lan:3000', 'studio.lan')).toBe(false)
  })

  test.for(['0.0.0.0', '::'])('on %s, which has many names, serves all of them, but nothing malformed', (host) => {
    expect(isServedHost('studio.lan', host)).toBe(true)
    expect(isServedHost('', host)).toBe(false)
  })
})

describe('isSameOrigin', () => {
  test.for([
    ['http://localhost:3000', 'localhost:3000', true],
    ['https://studio.example', 'studio.example', true],
    ['http://localhost:3001', 'localhost:3000', false],
    ['http://evil.example', 'localhost:3000', false],
    ['null', 'localhost:3000', false],
    ['file://', 'localhost:3000', false],
    ['chrome-extension://abc', 'abc', false],
    ['', 'localhost:3000', false],
  ] as const)('%s for host %s: %s', ([origin, host, expected]) => {
    expect(isSameOrigin(origin, host)).toBe(expected)
  })
})
