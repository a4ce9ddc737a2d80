import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Augmentation, cropPadding, drawCrop } from './augmentation.ts'
import { gatherBatch } from './gather-batch.ts'

const side = 8
const channels = 3
const imageSize = side * side * channels
const count = 40
/** Every pixel of an image differs from all others and from the black beyond its edge. */
const split = {
  images: Uint8Array.from({ length: count * imageSize }, (_, i) => 1 + (((i % imageSize) + 5 * Math.floor(i / imageSize)) % 255)),
  labels: Uint8Array.from({ length: count }, (_, i) => i % 10),
}
/** makes a normalised pixel its value again, and black 0 */
const asIs = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] }

function pixelsOf(indices: readonly number[], augmentation?: Augmentation): number[][] {
  const out = { images: new Float32Array(indices.length * imageSize), labels: new Uint8Array(indices.length) }
  gatherBatch(split, Uint32Array.from(indices), asIs, out, augmentation)
  expect([...out.labels]).toEqual(indices.map((index) => split.labels[index]))
  return indices.map((_, i) => Array.from(out.images.subarray(i * imageSize, (i + 1) * imageSize), Math.round))
}

const pixelAt = (image: readonly number[], row: number, column: number, channel: number) =>
  row < 0 || column < 0 || row >= side || column >= side ? 0 : image[(row * side + column) * channels + channel]!

function mapPixels(from: (row: number, column: number, channel: number) => number): number[] {
  return Array.from({ length: imageSize }, (_, k) => from(Math.floor(k / channels / side), Math.floor(k / channels) % side, k % channels))
}

const anyIndex = fc.nat(count - 1)
const anyAugmentation = fc.record({
  kind: fc.constantFrom('crop' as const, 'flip-crop' as const),
  seed: fc.nat(2 ** 32 - 1),
  stream: fc.nat(2 ** 31),
})

describe('an augmented image', () => {
  test('is the image again where the crop is undone, and black where it reached beyond the edge', () => {
    fc.assert(
      fc.property(anyAugmentation, anyIndex, (augmentation, index) => {
        const original = pixelsOf([index])[0]!
        const changed = pixelsOf([index], augmentation)[0]!
        const { top, left, mirrored } = drawCrop(augmentation, index)
        const [down, right] = [top - cropPadding, left - cropPadding]
        const unmirrored = mirrored ? mapPixels((row, column, c) => pixelAt(changed, row, side - 1 - column, c)) : changed
        const undone = mapPixels((row, column, c) => pixelAt(unmirrored, row - down, column - right, c))
        const remains = (row: number, column: number) =>
          row - down >= 0 && row - down < side && column - right >= 0 && column - right < side
        expect(undone).toEqual(mapPixels((row, column, c) => (remains(row, column) ? pixelAt(original, row, column, c) : 0)))
        expect(changed.filter((value) => value > 0)).toHaveLength((side - Math.abs(down)) * (side - Math.abs(right)) * channels)
      }),
    )
  })

  test('depends on seed, stream and image, not on the batch around it', () => {
    fc.assert(
      fc.property(anyAugmentation, fc.array(anyIndex, { minLength: 1, maxLength: 9 }), (augmentation, indices) => {
        expect(pixelsOf(indices, augmentation)).toEqual(indices.map((index) => pixelsOf([index], augmentation)[0]))
        expect(pixelsOf(indices.toReversed(), augmentation)).toEqual(pixelsOf(indices, augmentation).toReversed())
      }),
    )
  })

  test('is cropped alike by both kinds', () => {
    fc.assert(
      fc.property(anyAugmentation, anyIndex, ({ seed, stream }, index) => {
        const crop = drawCrop({ kind: 'crop', seed, stream }, index)
        expect(drawCrop({ kind: 'flip-crop', seed, stream }, index)).toMatchObject({ top: crop.top, left: crop.left })
        expect(crop.mirrored).toBe(false)
      }),
    )
  })
})

test('without an augmentation nothing is changed', () => {
  expect(pixelsOf([7])).toEqual([[...split.images.subarray(7 * imageSize, 8 * imageSize)]])
})

test('what lies beyond the edge is normalised black', () => {
  const normalization = { mean: [0.5, 0.25, 0.75], std: [0.5, 0.5, 0.25] }
  const augmentation = { kind: 'crop', seed: 3, stream: 0 } as const
  const index = split.labels.findIndex((_, i) => drawCrop(augmentation, i).top === 0)
  const out = gatherBatch(
    split,
    Uint32Array.of(index),
    normalization,
    { images: new Float32Array(imageSize), labels: new Uint8Array(1) },
    augmentation,
  )
  expect([...out.images.subarray(0, 3)]).toEqual([-1, -0.5, -3])
})

describe('over many images', () => {
  const draws = 81_000
  const crops = Array.from({ length: draws }, (_, i) => drawCrop({ kind: 'flip-crop', seed: 11, stream: i % 9 }, Math.floor(i / 9)))

  test('each of the 81 places comes up equally often', () => {
    const counts = new Float64Array(81)
    for (const { top, left } of crops) counts[9 * top + left]!++
    const chiSquared = counts.reduce((sum, found) => sum + (found - draws / 81) ** 2 / (draws / 81), 0)
    // 80 degrees of freedom: exceeded once in 10,000 times where the places are equally likely
    expect(chiSquared).toBeLessThan(135)
  })

  test('half are mirrored, wherever they are cropped', () => {
    // standard deviation of the share of 81,000: 0.0018; of 9,000: 0.0053
    const share = (some: typeof crops) => some.filter(({ mirrored }) => mirrored).length / some.length
    expect(Math.abs(share(crops) - 0.5)).toBeLessThan(0.008)
    for (let top = 0; top < 9; top++) expect(Math.abs(share(crops.filter((crop) => crop.top === top)) - 0.5)).toBeLessThan(0.023)
  })

  test('another seed and another stream draw others', () => {
    const alike = (a: Augmentation, b: Augmentation) =>
      Array.from({ length: 9000 }, (_, i) => {
        const [first, second] = [drawCrop(a, i), drawCrop(b, i)]
        return first.top === second.top && first.left === second.left
      }).filter(Boolean).length / 9000
    const base: Augmentation = { kind: 'crop', seed: 5, stream: 1 }
    // 1 in 81 by chance; standard deviation 0.0012
    for (const other of [{ seed: 6 }, { stream: 2 }, { seed: 1, stream: 5 }])
      expect(Math.abs(alike(base, { ...base, ...other }) - 1 / 81)).toBeLessThan(0.006)
    expect(alike(base, base)).toBe(1)
  })
})
