import { startStack, type Stack } from '../support/start-stack.ts'
import { expect, test } from '../support/test.ts'

const token = 'a-secret-for-the-browser-tests'
let guarded: Stack

test.beforeAll(async () => {
  guarded = await startStack({ NOPROP_API_TOKEN: token, NOPROP_TRAINERS: '1' })
})
test.afterAll(() => guarded.stop())

test('a server with a token asks for it once, refuses a wrong one, and remembers the right one', async ({ page }, testInfo) => {
  await page.goto(guarded.url)
  await page.getByLabel('API token').fill('not-the-token-at-all')
  await page.getByRole('button', { name: 'Log in' }).click()
  await expect(page.getByRole('alert')).toContainText('not the token')
  await page.screenshot({ path: testInfo.outputPath('refused.png'), fullPage: true })

  await page.getByLabel('API token').fill(token)
  await page.getByRole('button', { name: 'Log in' }).click()
  await expect(page.getByRole('link', { name: 'New run' }).first()).toBeVisible()

  await page.reload()
  await expect(page.getByRole('link', { name: 'New run' }).first()).toBeVisible()
  expect(await page.evaluate(() => document.cookie), 'scripts cannot read the session').toBe('')

  await page.getByRole('button', { name: 'Log out' }).click()
  await expect(page.getByLabel('API token')).toBeVisible()
})

test('without the token the API says 401 and the health checks answer', async () => {
  expect((await fetch(`${guarded.url}/v1/runs`)).status).toBe(401)
  expect((await fetch(`${guarded.url}/livez`)).status).toBe(200)
  expect((await fetch(`${guarded.url}/v1/runs`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(200)
})
