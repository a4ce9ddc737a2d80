import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { PredictResponse, Run } from '@noprop/contract'
import { readmeScript } from '../support/readme.ts'
import { expect, test } from '../support/test.ts'

test('the lines of the README create a run, wait for it and predict', async ({ stack }) => {
  const folder = await mkdtemp(join(tmpdir(), 'noprop-readme-'))
  try {
    const script = await readmeScript()
    const here = script.replace('URL=http://127.0.0.1:3000', `URL=${stack.url}`)
    expect(here, 'the README names the default address once').not.toBe(script)

    const { stdout } = await promisify(execFile)('sh', ['-c', here], { cwd: folder, timeout: 150_000 })

    const { predictions, run_id } = JSON.parse(stdout) as PredictResponse
    const run = JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')) as Run
    expect(run_id).toBe(run.id)
    expect(run.config.seed).toBe(7)
    expect(predictions[0]!.chain).toHaveLength(run.config.blocks)
    expect(sum(predictions[0]!.probabilities)).toBeCloseTo(1, 4)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

function sum(values: readonly number[]) {
  return values.reduce((total, value) => total + value, 0)
}
