import { describe, expect, test } from 'vitest'
import { parseRoute, paths } from './routes.ts'

const parse = (href: string) => parseRoute(new URL(href, 'http://127.0.0.1:3000'))

describe('parseRoute', () => {
  test.each([
    ['/', { page: 'runs' }],
    ['/runs', { page: 'runs' }],
    ['/runs/run_1/', { page: 'run', id: 'run_1' }],
    ['/new', { page: 'new', cloneOf: undefined }],
    ['/runs/%', { page: 'run', id: '%' }],
    ['/compare', { page: 'compare', ids: [] }],
    ['/wp-admin', { page: 'not-found', path: '/wp-admin' }],
  ])('%s', (href, route) => expect(parse(href)).toEqual(route))

  test('reads what paths writes', () => {
    expect(parse(paths.run('a/b'))).toEqual({ page: 'run', id: 'a/b' })
    expect(parse(paths.clone('run_1'))).toEqual({ page: 'new', cloneOf: 'run_1' })
    expect(parse(paths.predictWith('run_1'))).toEqual({ page: 'predict', run: 'run_1' })
    expect(parse(paths.compare(['run_1', 'run_2']))).toEqual({ page: 'compare', ids: ['run_1', 'run_2'] })
  })
})
