import type { Page } from '@playwright/test'
import { countDrawnLines, legendColours, readChartInk } from '../support/chart-ink.ts'
import { expectStatus, startRun } from '../support/run-actions.ts'
import { digits, expect, test } from '../support/test.ts'

/** Seconds long; what it learns is enough to draw. */
const tiny = {
  'Training images': '2500',
  'Test images': '500',
  'Validation images': '500',
  Epochs: '2',
  Channels: '8, 16, 32',
  Features: '64',
  'Metrics interval': '2',
}

test('blocks with a learned embedding take turns, and the page says so while it draws them', async ({ page }, testInfo) => {
  await startRun(page, { dataset: 'synthetic-digits', preset: 'quick-learned', name: 'in turn', advanced: tiny })
  await expect(page.getByText('Blocks take turns')).toBeVisible()
  const units = page.getByTestId('block-strip').getByRole('listitem')
  await expect(units, 'the head is no unit of its own').toHaveText([/^Block 1/, /^Block 2/, /^Block 3/])

  await expectStatus(page, 'succeeded', 120_000)
  const loss = page.getByTestId('chart-denoising_loss')
  await expect.poll(async () => countDrawnLines(loss, await legendColours(page.getByRole('group', { name: 'Lines shown' })))).toBe(3)
  await expectChain(page, 'After block')
  await page.screenshot({ path: testInfo.outputPath('learned.png'), fullPage: true })
})

test('a network of continuous time is no block: its chain is drawn over the numbers of its steps', async ({ page }, testInfo) => {
  const advanced = { ...tiny, 'Inference steps': '200' }
  const id = await startRun(page, { dataset: 'synthetic-digits', preset: 'quick-ct', name: 'over time', advanced })
  await expect(page.getByText('One network over time, no independent blocks')).toBeVisible()
  await expect(page.getByTestId('block-strip').getByRole('listitem')).toHaveText([/^Network/])

  await expectStatus(page, 'succeeded', 120_000)
  await expectChain(page, 'After step')
  expect((await readChartInk(page.getByTestId('chart-kl'))).coloured).toBeGreaterThan(20)
  await page.screenshot({ path: testInfo.outputPath('continuous.png'), fullPage: true })

  await page.goto(`/try?run=${id}`)
  await page.getByRole('button', { name: 'Random test image' }).click()
  const steps = page.getByTestId('chain').locator('tbody th')
  await expect(steps.last()).toHaveText('Head on z_T')
  const names = await steps.allTextContents()
  expect(names.length, 'at most 20 of the 200 steps, and the decoding').toBeLessThanOrEqual(21)
  expect(names.at(-2)).toBe('Step 200')
  await page.screenshot({ path: testInfo.outputPath('continuous-prediction.png'), fullPage: true })
})

test("a row of the paper's table is chosen by method and embedding, and the form shows what it has", async ({ page }, testInfo) => {
  await page.goto('/new')
  await page.locator('input[name="dataset"][value="mnist"]').check()
  const rows = page.getByRole('table', { name: 'Rows of the paper' })
  await expect(rows.getByRole('radio')).toHaveCount(13)

  const row = rows.getByRole('radio', { name: 'NoProp-CT, Learned, dim=20' })
  await expect(row.locator('xpath=..')).toContainText('97.70 ± 0.51 %')
  await row.check()
  const summary = page.getByRole('region', { name: 'What will be trained' })
  await expect(summary).toContainText('NoProp in continuous time')
  await expect(summary, "the paper's parameter count: 0.87 million").toContainText('870,282 parameters')

  await page.getByRole('button', { name: 'Advanced' }).click()
  await expect(page.getByLabel('Inference steps')).toHaveValue('1000')
  await expect(page.getByLabel('Embedding dimension')).toHaveValue('20')
  await expect(page.getByLabel('Blocks')).toHaveCount(0)
  await page.screenshot({ path: testInfo.outputPath('paper-row.png'), fullPage: true })

  await page.getByLabel('First embedding').selectOption('prototype')
  await expect(page.getByText('Only an embedding as long as an image has pixels')).toHaveCount(2)
  await expect(page.getByRole('status')).toContainText('1 field to mend')
})

test('another data set takes the row of the paper with it', async ({ page }) => {
  await page.goto('/new')
  await page.locator('input[name="dataset"][value="mnist"]').check()
  await page.getByRole('radio', { name: 'NoProp-DT, Prototype' }).check()
  await page.locator('input[name="dataset"][value="cifar-10"]').check()
  await expect(page.getByRole('radio', { name: 'NoProp-DT, Prototype' })).toBeChecked()
  await expect(page.getByRole('radio', { name: 'NoProp-DT, Prototype' }).locator('xpath=..')).toContainText('80.54 ± 0.20 %')
  await expect(page.getByRole('region', { name: 'What will be trained' })).toContainText('1,992,714 parameters')
})

test('runs of two methods are compared, beside published figures where there are any', async ({ page, api }, testInfo) => {
  const config = { train_limit: 1000, test_limit: 300, validation_size: 200 }
  const runs = [
    await api.createRun({ dataset: digits, preset: 'smoke', name: 'blocks alone', config }),
    await api.createRun({
      dataset: digits,
      preset: 'smoke',
      name: 'end to end',
      config: { ...config, method: 'backprop', noise_samples: 1 },
    }),
  ]
  for (const { id } of runs) expect((await api.waitForRun(id)).status).toBe('succeeded')

  await page.goto('/')
  for (const { name } of runs) await page.getByRole('checkbox', { name: `Compare ${name}` }).check()
  await page.getByRole('link', { name: 'Compare 2' }).click()
  const table = page.getByRole('table', { name: 'Comparison' })
  await expect(table.getByRole('row', { name: /^Method/ }).getByRole('cell')).toHaveText(['NoProp-DT', 'Backprop'])
  for (const label of [/^Test accuracy, noise-free/, /^Test accuracy, the paper/]) {
    for (const cell of await table.getByRole('row', { name: label }).getByRole('cell').all()) await expect(cell).toHaveText(/^\d+\.\d\d %$/)
  }
  expect((await readChartInk(page.getByTestId('chart-compare-accuracy-over-time'))).colours).toBe(2)

  if (digits === 'mnist') {
    const published = page.getByRole('table', { name: 'Published accuracies, not measured here' })
    await expect(published.getByRole('row', { name: 'Difference Target Propagation' })).toContainText('98.06 %')
    await expect(table.getByRole('row', { name: /^Published/ }).getByRole('cell')).toHaveText(['99.47 ± 0.05 %', '99.46 ± 0.06 %'])
  } else {
    await expect(page.getByText(`The paper has no figures for ${digits}`)).toBeVisible()
  }
  await page.screenshot({ path: testInfo.outputPath('compared.png'), fullPage: true })
})

/** The accuracy after each step is drawn, noise-free and noisy, with this under its axis. */
async function expectChain(page: Page, axis: string) {
  const chart = page.getByTestId('chart-denoising')
  await expect.poll(async () => (await readChartInk(chart)).colours).toBeGreaterThanOrEqual(2)
  await chart.hover()
  await expect(chart).toContainText(axis)
}
