import type { Locator, Page } from '@playwright/test'
import { countDrawnLines, legendColours, readChartInk } from '../support/chart-ink.ts'
import { expectStatus, startRun } from '../support/run-actions.ts'
import { digits, expect, test } from '../support/test.ts'

/** Long enough to look at it while it learns (a quarter of a minute on two cores), short enough to wait for. */
const shortQuickRun = {
  dataset: digits,
  preset: 'quick',
  advanced: {
    'Training images': '5500',
    'Test images': '1000',
    'Validation images': '500',
    Epochs: '6',
    'Metrics interval': '2',
  },
}

test('a run that is started in the dashboard is drawn while it learns, survives a reload, and succeeds', async ({
  page,
  api,
}, testInfo) => {
  test.setTimeout(300_000)
  const id = await startRun(page, { ...shortQuickRun, name: 'watched' })
  await expect(page.getByRole('heading', { name: 'watched' })).toBeVisible()
  await expectStatus(page, 'running', 30_000)

  const loss = page.getByTestId('chart-denoising_loss')
  await expect.poll(() => pointsOf(page, 'denoising_loss'), { timeout: 60_000 }).toBeGreaterThan(9)
  const early = { ink: await readChartInk(loss), points: await pointsOf(page, 'denoising_loss') }
  const lines = (await legendColours(page.getByRole('group', { name: 'Lines shown' }))).slice(0, 3)
  await expect
    .poll(() => countDrawnLines(loss, lines), { timeout: 60_000, message: 'blocks learn at the same time' })
    .toBeGreaterThanOrEqual(2)
  await expect.poll(() => countDrawnLines(loss, lines), { timeout: 90_000, message: 'a line for each block' }).toBe(3)
  await expect.poll(() => pointsOf(page, 'denoising_loss'), { timeout: 60_000 }).toBeGreaterThan(early.points + 20)
  const later = { ink: await readChartInk(loss), points: await pointsOf(page, 'denoising_loss') }
  expect(later.ink.coloured).toBeGreaterThan(early.ink.coloured)
  expect(later.ink.heightFraction).toBeGreaterThan(0.2)

  const progress = page.getByRole('region', { name: 'Progress' })
  await expect(progress.getByRole('progressbar')).toBeVisible()
  await expect(factOf(progress, 'Time left')).toHaveText(/\d/)
  await expect(factOf(progress, 'Throughput')).toHaveText(/\d/)
  await expect(page.getByRole('tabpanel')).toContainText(/block/i)
  await page.screenshot({ path: testInfo.outputPath('running.png'), fullPage: true })

  await page.reload()
  await expectStatus(page, 'running')
  await expect.poll(() => pointsOf(page, 'denoising_loss')).toBeGreaterThanOrEqual(later.points)
  expect((await readChartInk(loss)).coloured, 'the history is drawn again').toBeGreaterThan(later.ink.coloured * 0.8)

  await expectStatus(page, 'succeeded', 200_000)
  const run = await api.getRun(id)
  expect(run.metrics['test_accuracy']).toBeGreaterThan(0.5)
  await expect(page.getByTestId('test-accuracy')).toContainText(percent(run.metrics['test_accuracy']!))
  expect(run.progress).toMatchObject({ epoch: 6, fraction: 1 })

  const chain = await readChartInk(page.getByTestId('chart-denoising'))
  expect(chain.colours, 'accuracy after each denoising step, noisy and noise-free').toBeGreaterThanOrEqual(2)
  await page.getByRole('tab', { name: /Evaluations/ }).click()
  const evaluations = page.getByRole('table', { name: 'Evaluations' }).locator('tbody')
  await expect(evaluations.getByRole('row').filter({ hasText: 'test' })).toHaveCount(1)
  await expect(evaluations.getByRole('row').filter({ hasText: 'validation' }).first()).toBeVisible()
  await page.screenshot({ path: testInfo.outputPath('succeeded.png'), fullPage: true })
})

async function pointsOf(page: Page, metric: string): Promise<number> {
  return Number(await page.getByTestId(`chart-${metric}`).getAttribute('data-points'))
}

function factOf(progress: Locator, term: string): Locator {
  return progress.locator('dl > div').filter({ hasText: term }).locator('dd')
}

/** As the dashboard writes it. */
function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(2)} %`
}
