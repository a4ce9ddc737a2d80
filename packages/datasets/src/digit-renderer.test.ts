import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { drawDigit, imageSide } from './digit-renderer.ts'
import { createRandom } from './random.ts'

const size = imageSide * imageSide

function draw(digit: number, ...keys: number[]): Uint8Array {
  const image = new Uint8Array(size)
  drawDigit(digit, createRandom(...keys), image, 0)
  return image
}

describe('drawDigit', () => {
  test('draws these very bytes on every machine', () => {
    const hash = createHash('sha256')
    for (let i = 0; i < 200; i++) hash.update(draw(i % 10, 1, i))
    expect(hash.digest('hex')).toMatchInlineSnapshot(`"3301a043eb5b529f891619510031ddf206935104e5318d396642b7ef150e5b49"`)
  })

  test('every digit lies inside the image, inked like MNIST, around the pixel (14, 14)', () => {
    for (let i = 0; i < 500; i++) {
      const image = draw(i % 10, 2, i)
      let [mass, x, y, inked] = [0, 0, 0, 0]
      image.forEach((value, k) => {
        mass += value
        x += value * ((k % imageSide) + 0.5)
        y += value * (Math.floor(k / imageSide) + 0.5)
        if (value > 0) inked++
      })
      expect(inked, `image ${i}`).toBeGreaterThan(25)
      expect(inked, `image ${i}`).toBeLessThan(300)
      expect(Math.abs(x / mass - 14.5), `image ${i}`).toBeLessThan(3)
      expect(Math.abs(y / mass - 14.5), `image ${i}`).toBeLessThan(3)
      const border = image.filter(
        (_, k) => k < imageSide || k >= size - imageSide || k % imageSide === 0 || k % imageSide === imageSide - 1,
      )
      expect(Math.max(...border), `image ${i}`).toBe(0)
    }
  })

  test('a nearest-class-mean classifier reads the digits far above chance, so they carry their labels', () => {
    const means = Array.from({ length: 10 }, (_, digit) => {
      const mean = new Float64Array(size)
      for (let i = 0; i < 100; i++) draw(digit, 3, digit, i).forEach((value, k) => (mean[k]! += value / 100))
      return mean
    })
    const distance = (mean: Float64Array, image: Uint8Array) => mean.reduce((sum, value, k) => sum + (value - image[k]!) ** 2, 0)
    let correct = 0
    for (let i = 0; i < 300; i++) {
      const image = draw(i % 10, 4, i)
      const distances = means.map((mean) => distance(mean, image))
      if (distances.indexOf(Math.min(...distances)) === i % 10) correct++
    }
    expect(correct / 300).toBeGreaterThan(0.7)
    expect(correct / 300).toBeLessThan(1)
  })
})
