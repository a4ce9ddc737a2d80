import type { Page } from '@playwright/test'
import { expectStatus, startRun } from '../support/run-actions.ts'
import { digits, expect, test } from '../support/test.ts'

test('a run is canceled from its page, and the trainers take the next one', async ({ page, api }, testInfo) => {
  const long = { dataset: digits, preset: 'quick', advanced: { Epochs: '500' } }
  const id = await startRun(page, { ...long, name: 'too long' })
  await expectStatus(page, 'running', 60_000)

  await page.getByRole('button', { name: 'Cancel run' }).click()
  await confirm(page)
  await expectStatus(page, 'canceled')
  expect((await api.getRun(id)).finished_at).not.toBeNull()
  await page.screenshot({ path: testInfo.outputPath('canceled.png'), fullPage: true })

  const next = await api.createRun({ dataset: 'synthetic-digits', preset: 'smoke', name: 'next' })
  expect((await api.waitForRun(next.id)).status).toBe('succeeded')
})

test('a second run waits, says why, and can be canceled before it starts', async ({ page, api }) => {
  const first = await api.createRun({ dataset: digits, preset: 'quick', name: 'first', config: { epochs: 500 } })
  const secondId = await startRun(page, { dataset: digits, preset: 'quick', name: 'second', advanced: { Epochs: '500' } })
  await expectStatus(page, 'queued')
  await expect(page.getByText(/wait/i).first()).toBeVisible()

  await page.getByRole('button', { name: 'Cancel run' }).click()
  await confirm(page)
  await expectStatus(page, 'canceled')
  expect((await api.getRun(secondId)).started_at).toBeNull()

  await fetch(new URL(`/v1/runs/${first.id}/cancel`, page.url()), { method: 'POST' })
  expect((await api.waitForRun(first.id)).status).toBe('canceled')
})

/** The dialog that asks again. */
async function confirm(page: Page) {
  await page.getByRole('alertdialog').or(page.getByRole('dialog')).getByRole('button', { name: 'Cancel the run' }).click()
}
