import type { Run } from '@noprop/contract'
import { expect, test } from 'vitest'
import { withRun } from './run-cache.ts'

const run = (id: string, last_seq: number) => ({ id, last_seq }) as Run
const data = {
  pages: [
    { items: [run('b', 5)], next_page_token: 't' },
    { items: [run('a', 9)], next_page_token: null },
  ],
  pageParams: [undefined, 't'],
}
const items = (pages: typeof data) => pages.pages.map((page) => page.items)

test('a run that is new goes to the top of the first page', () => {
  expect(items(withRun(data, run('c', 1)))).toEqual([[run('c', 1), run('b', 5)], [run('a', 9)]])
})

test('a newer state replaces the older one in its place', () => {
  expect(items(withRun(data, run('a', 10)))).toEqual([[run('b', 5)], [run('a', 10)]])
})

test('an older state that arrives late changes nothing', () => {
  expect(items(withRun(data, run('a', 3)))).toEqual(items(data))
})
