import type { RunStatus } from '@noprop/contract'
import type { Page } from '@playwright/test'
import { expect } from './test.ts'

/** What the form for a new run is filled in with; `advanced` goes by the labels of its fields. */
export interface NewRun {
  dataset: string
  preset: string
  name: string
  advanced?: Record<string, string>
}

/** Fills in the form for a new run and presses the button. @returns the id of the run, from the address of its page */
export async function startRun(page: Page, { dataset, preset, name, advanced = {} }: NewRun): Promise<string> {
  await page.goto('/')
  await page.getByRole('link', { name: 'New run' }).first().click()
  await page.locator(`input[name="dataset"][value="${dataset}"]`).check()
  await page.locator(`input[name="preset"][value="${preset}"]`).check()
  await page.getByLabel('Name').fill(name)
  if (Object.keys(advanced).length > 0) await page.getByRole('button', { name: 'Advanced' }).click()
  for (const [label, value] of Object.entries(advanced)) await page.getByLabel(label).first().fill(value)
  await page.getByRole('button', { name: 'Start run' }).click()
  await page.waitForURL(/\/runs\/run_/)
  return new URL(page.url()).pathname.split('/').pop()!
}

export async function expectStatus(page: Page, status: RunStatus, timeout?: number) {
  await expect(page.getByTestId('run-status')).toHaveAttribute('data-status', status, timeout ? { timeout } : {})
}
