import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { expectClose } from './compare-devices.ts'
import { initialState } from './small-network.ts'
import { hashOf, train } from './train-small-network.ts'

test('loss, gradients and ten steps of AdamW agree with the reference', async () => {
  const reference = await train('reference', 10)
  const compiled = await train('cpu', 10)
  expect(Object.keys(compiled.first)).toContain('gradient/conv1')
  for (const name of Object.keys(reference.first)) {
    expect(reference.first[name]!.some((x) => x !== 0)).toBe(true)
    expectClose(compiled.first[name], reference.first[name])
  }
  for (const name of Object.keys(reference.state)) expectClose(compiled.state[name], reference.state[name])
  expect(compiled.state['untouched']).toEqual(initialState()['untouched'])
})

test('the same steps give the same bits, in this process and in another', async () => {
  const [once, again] = [hashOf((await train('cpu', 4)).state), hashOf((await train('cpu', 4)).state)]
  expect(again).toBe(once)
  const script = fileURLToPath(new URL('hash-of-training.ts', import.meta.url))
  const elsewhere = execFileSync(process.execPath, ['--import', 'tsx', script, '4'], { encoding: 'utf8' })
  expect(elsewhere.trim()).toBe(once)
})
