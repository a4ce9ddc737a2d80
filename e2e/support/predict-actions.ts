import type { PredictResponse } from '@noprop/contract'
import type { Page } from '@playwright/test'
import { digitStrokes } from './digit-images.ts'

/** Does something that makes the page ask, and gives the answer that it got. */
export async function answerTo(page: Page, action: () => Promise<void>): Promise<PredictResponse> {
  const response = page.waitForResponse((candidate) => candidate.url().endsWith('/predict') && candidate.request().method() === 'POST')
  await action()
  return (await (await response).json()) as PredictResponse
}

/** With the mouse, on the drawing pad. */
export async function drawDigit(page: Page, digit: keyof typeof digitStrokes) {
  const box = (await page.getByTestId('drawing-pad').boundingBox())!
  for (const stroke of digitStrokes[digit]) {
    const [start, ...rest] = stroke.map(([x, y]) => [box.x + x * box.width, box.y + y * box.height] as const)
    await page.mouse.move(...start!)
    await page.mouse.down()
    for (const point of rest) await page.mouse.move(...point, { steps: 6 })
    await page.mouse.up()
  }
}

/** As if a file were dragged from the desktop onto the drawing pad. */
export async function dropFile(page: Page, file: { name: string; type: string; content: Buffer }) {
  const dataTransfer = await page.evaluateHandle(
    ({ name, type, base64 }) => {
      const transfer = new DataTransfer()
      transfer.items.add(new File([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))], name, { type }))
      return transfer
    },
    { name: file.name, type: file.type, base64: file.content.toString('base64') },
  )
  const target = page.getByTestId('drawing-pad')
  await target.dispatchEvent('dragover', { dataTransfer })
  await target.dispatchEvent('drop', { dataTransfer })
}
