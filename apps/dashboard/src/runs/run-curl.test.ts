import type { Run } from '@noprop/contract'
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { curlFor } from './run-curl.ts'

test('a shell hands the body on as it is, quotes in the name included', () => {
  const run = { dataset: 'mnist', name: `it's "quoted" $HOME`, config: { epochs: 2 } } as unknown as Run
  const command = curlFor(run, 'http://127.0.0.1:3000').replace('curl ', 'printf "%s\\n" ')
  const words = execFileSync('sh', ['-c', command], { encoding: 'utf8' }).trim().split('\n')
  expect(JSON.parse(words.at(-1)!)).toEqual({ dataset: 'mnist', name: `it's "quoted" $HOME`, config: { epochs: 2 } })
})
