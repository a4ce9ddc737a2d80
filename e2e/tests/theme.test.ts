import type { Page } from '@playwright/test'
import { expect, test } from '../support/test.ts'

test('the theme follows the system, changes with the button, and is kept', async ({ page }, testInfo) => {
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.goto('/')
  await expect.poll(() => brightness(page)).toBeLessThan(80)
  await page.screenshot({ path: testInfo.outputPath('dark.png'), fullPage: true })

  await page.getByRole('button', { name: 'Use the light theme' }).click()
  await expect.poll(() => brightness(page)).toBeGreaterThan(200)
  await page.screenshot({ path: testInfo.outputPath('light.png'), fullPage: true })

  await page.reload()
  await expect.poll(() => brightness(page)).toBeGreaterThan(200)
})

/** Of the page's background, 0…255, as it is drawn. */
function brightness(page: Page): Promise<number> {
  return page.evaluate(() => {
    const canvas = document.createElement('canvas').getContext('2d')!
    const drawn = [document.body, document.documentElement].map((element) => getComputedStyle(element).backgroundColor)
    canvas.fillStyle = drawn.find((color) => !/^rgba\(.*, 0\)$/.test(color)) ?? 'white'
    canvas.fillRect(0, 0, 1, 1)
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data
    return (r! + g! + b!) / 3
  })
}
