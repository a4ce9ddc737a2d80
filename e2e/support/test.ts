import { type CreateRun, isFinal, type Run } from '@noprop/contract'
import { test as base } from '@playwright/test'
import { startStack, type Stack } from './start-stack.ts'

/** The REST API of a stack, as far as the tests need it. */
export interface Api {
  createRun(body: CreateRun): Promise<Run>
  getRun(id: string): Promise<Run>
  waitForRun(id: string): Promise<Run>
}

interface WorkerFixtures {
  /** A running product, shared by the tests of a worker. */
  stack: Stack
  api: Api
  /** A run that has succeeded and reads clear digits without fail. */
  trainedRun: Run
}

interface TestFixtures {
  /** Keeps what the server wrote to its terminal, where a test fails. */
  serverLog: void
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  stack: [
    // eslint-disable-next-line no-empty-pattern -- Playwright reads the fixtures that are needed from this pattern
    async ({}, use) => {
      const stack = await startStack()
      await use(stack)
      await stack.stop()
    },
    { scope: 'worker' },
  ],
  api: [async ({ stack }, use) => use(apiOf(stack.url)), { scope: 'worker' }],
  trainedRun: [
    async ({ api }, use) => {
      const config = { train_limit: 8000, validation_size: 500, test_limit: 1000, epochs: 3 }
      const { id } = await api.createRun({ dataset: digits, preset: 'quick', name: 'to predict with', config })
      const run = await api.waitForRun(id)
      if (run.status !== 'succeeded') throw new Error(`the run to predict with ${run.status}: ${JSON.stringify(run.failure)}`)
      await use(run)
    },
    { scope: 'worker', timeout: 400_000 },
  ],
  baseURL: ({ stack }, use) => use(stack.url),
  serverLog: [
    async ({ stack }, use, testInfo) => {
      await use()
      if (testInfo.status !== testInfo.expectedStatus) await testInfo.attach('server.log', { body: stack.log(), contentType: 'text/plain' })
    },
    { auto: true },
  ],
})

export { expect } from '@playwright/test'

/** Real MNIST where the files are at hand, else the digits that the product draws itself. */
export const digits = process.env['NOPROP_DATASETS_DIR'] ? 'mnist' : 'synthetic-digits'

function apiOf(url: string): Api {
  async function request(path: string, init?: RequestInit): Promise<Run> {
    const response = await fetch(url + path, init)
    if (!response.ok) throw new Error(`${init?.method ?? 'GET'} ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as Run
  }
  return {
    createRun: (body) =>
      request('/v1/runs', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    getRun: (id) => request(`/v1/runs/${id}`),
    async waitForRun(id) {
      for (;;) {
        const run = await request(`/v1/runs/${id}?wait_seconds=60`)
        if (isFinal(run.status)) return run
      }
    },
  }
}
