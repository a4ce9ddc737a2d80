import type { Locator, Page } from '@playwright/test'
import { scannedDigit } from '../support/digit-images.ts'
import { answerTo, drawDigit, dropFile } from '../support/predict-actions.ts'
import { expect, test } from '../support/test.ts'

test.beforeEach(async ({ page, trainedRun }) => {
  await page.goto(`/runs/${trainedRun.id}`)
  await page.getByRole('link', { name: 'Try it' }).click()
  await expect(page.getByTestId('drawing-pad')).toBeVisible()
})

for (const digit of ['0', '1', '7'] as const) {
  test(`a ${digit} that is drawn with the mouse is read as a ${digit}`, async ({ page }, testInfo) => {
    const answer = await answerTo(page, () => drawDigit(page, digit))
    await page.screenshot({ path: testInfo.outputPath(`drawn-${digit}.png`), fullPage: true })
    await expectAnswer(page, answer)
    expect(answer.predictions[0]!.label).toBe(digit)
  })
}

test('a scan that is dropped, dark on light and off the middle, is turned into what the network knows', async ({ page }, testInfo) => {
  const content = await scannedDigit('7')
  const answer = await answerTo(page, () => dropFile(page, { name: 'seven.png', type: 'image/png', content }))
  await page.screenshot({ path: testInfo.outputPath('dropped.png'), fullPage: true })
  await expectAnswer(page, answer)
  expect(answer.predictions[0]!).toMatchObject({ label: '7', input: { inverted: true, cropped: true } })

  await page.getByRole('button', { name: 'Clear' }).click()
  await expect(page.getByTestId('prediction-label')).toHaveCount(0)
  await expect(page.getByTestId('drawing-pad')).toBeVisible()
})

test('with the noise of Eq. 3 the answer depends on the seed alone', async ({ page }) => {
  await answerTo(page, () => drawDigit(page, '7'))
  const noisy = await answerTo(page, () => page.getByLabel('Noise of Eq. 3').check())
  const other = await answerTo(page, () => page.getByLabel('Seed').fill('5'))
  const again = await answerTo(page, () => page.getByLabel('Seed').fill('0'))
  expect(again.predictions).toEqual(noisy.predictions)
  expect(other.predictions[0]!.chain).not.toEqual(noisy.predictions[0]!.chain)
})

for (const { what, name, type, content } of [
  { what: 'a text file that calls itself a PNG', name: 'digit.png', type: 'image/png', content: Buffer.from('not a picture at all') },
  {
    what: 'a drawing in SVG',
    name: 'digit.svg',
    type: 'image/svg+xml',
    content: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="28" height="28"/>'),
  },
]) {
  test(`${what} is refused with a sentence, and the next picture is answered`, async ({ page }, testInfo) => {
    await dropFile(page, { name, type, content })
    await expect(page.getByRole('alert')).toContainText(/image|picture|PNG/i)
    await expect(page.getByTestId('prediction-label')).toHaveCount(0)
    await page.screenshot({ path: testInfo.outputPath('refused.png'), fullPage: true })

    await page.getByRole('button', { name: 'Clear' }).click()
    await expectAnswer(page, await answerTo(page, () => drawDigit(page, '1')))
    await expect(page.getByRole('alert')).toHaveCount(0)
  })
}

/** The page shows what the server said: label, probabilities, the decision after every block, and the picture that the network saw. */
async function expectAnswer(page: Page, { predictions }: Awaited<ReturnType<typeof answerTo>>) {
  const [{ label, probabilities, chain, head }] = predictions as [(typeof predictions)[number]]
  expect(probabilities.reduce((sum, probability) => sum + probability, 0)).toBeCloseTo(1, 4)
  await expect(page.getByTestId('prediction-label')).toHaveText(label)
  await expect(page.getByRole('list', { name: 'Probability of each class' }).getByRole('listitem')).toHaveCount(probabilities.length)

  const rows = page.getByTestId('chain').locator('tbody tr')
  await expect(rows).toHaveCount(chain!.length + 1)
  for (const [index, step] of [...chain!, head!].entries()) await expect(rows.nth(index).locator('td').last()).toHaveText(step.label)
  expect(chain!.at(-1)!.probabilities).toEqual(probabilities)

  const { size, inked, center } = await inkOf(page.getByTestId('what-the-network-saw'))
  expect(size).toEqual([28, 28])
  expect(inked, 'light ink on a dark ground, of which there is more').toBeGreaterThan(0.03)
  expect(inked).toBeLessThan(0.5)
  expect(Math.hypot(center[0] - 14, center[1] - 14), 'distance of the middle of the ink from the middle').toBeLessThan(2.5)
}

/** Of a grey picture: its size, the fraction of light pixels, and the middle of the light. */
function inkOf(picture: Locator) {
  return picture.evaluate((element) => {
    const image = element as HTMLImageElement
    const canvas = document.createElement('canvas')
    const size = [(canvas.width = image.naturalWidth), (canvas.height = image.naturalHeight)]
    const pen = canvas.getContext('2d')!
    pen.drawImage(image, 0, 0)
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height)
    let [total, x, y, light] = [0, 0, 0, 0]
    for (let i = 0; i < data.length / 4; i++) {
      const value = data[4 * i]!
      total += value
      x += value * ((i % canvas.width) + 0.5)
      y += value * (Math.floor(i / canvas.width) + 0.5)
      if (value > 127) light += 1
    }
    return { size, inked: light / (data.length / 4), center: [x / total, y / total] as const }
  })
}
