import { describe, expect, it } from 'vitest'
import { choosePrototypes } from './prototypes.ts'

/** Images of noise around a centre of their own class; a multiple of some of them, so that medians tie. */
function makeDataset(counts: readonly number[], seed: number) {
  let word = seed
  const random = () => (word = (Math.imul(word, 1664525) + 1013904223) >>> 0) / 2 ** 32
  const imageShape = [2, 2, 3] as const
  const labels = counts.flatMap((count, label) => new Array<number>(count).fill(label)).sort(() => random() - 0.5)
  const images = labels.flatMap((label) => {
    const spread = 20 + random() * 200
    return Array.from({ length: 12 }, () => Math.min(255, Math.floor(30 * label + random() * spread)))
  })
  const classes = counts.map((_, label) => `class ${label}`)
  return { imageShape, classes, train: { images: Uint8Array.from(images), labels: Uint8Array.from(labels) } }
}

/** The definition, one distance after the other. */
function naivePrototypes({ train, classes }: ReturnType<typeof makeDataset>, examples: readonly number[]): number[] {
  const image = (index: number) => train.images.subarray(index * 12, (index + 1) * 12)
  const distance = (a: number, b: number) => Math.sqrt(image(a).reduce((sum, value, i) => sum + (value - image(b)[i]!) ** 2, 0))
  return classes.map((_, label) => {
    const members = examples.filter((index) => train.labels[index] === label)
    const medians = members.map((own) => {
      const others = members.filter((index) => index !== own).map((index) => distance(own, index))
      return others.sort((a, b) => a - b)[Math.floor((others.length - 1) / 2)]!
    })
    return members[medians.indexOf(Math.min(...medians))]!
  })
}

describe('the prototypes of classes', () => {
  it.each([
    ['a few images', [3, 2, 5]],
    ['as many as one tile, and one more', [512, 513]],
    ['several tiles', [1100, 40]],
  ])('are what the definition says, of %s', async (_, counts) => {
    const dataset = makeDataset(counts, 7)
    const examples = Array.from(dataset.train.labels, (_, i) => i)
    expect(await choosePrototypes(dataset, Uint32Array.from(examples))).toEqual(naivePrototypes(dataset, examples))
  })

  it('are chosen from the images of the run alone', async () => {
    const dataset = makeDataset([40, 40], 3)
    const all = Array.from(dataset.train.labels, (_, i) => i)
    const whole = await choosePrototypes(dataset, Uint32Array.from(all))
    const rest = all.filter((index) => !whole.includes(index))
    const chosen = await choosePrototypes(dataset, Uint32Array.from(rest))
    expect(chosen).toEqual(naivePrototypes(dataset, rest))
    expect(chosen).not.toEqual(whole)
  })

  it('of images that are alike are the first of them', async () => {
    const dataset = makeDataset([6, 6], 5)
    dataset.train.images.fill(17)
    const examples = Uint32Array.from(dataset.train.labels, (_, i) => i)
    expect(await choosePrototypes(dataset, examples)).toEqual([0, 1].map((label) => dataset.train.labels.indexOf(label)))
  })

  it('of a class with one image is that one; of a class without, there is none', async () => {
    const dataset = makeDataset([1, 4], 1)
    const examples = Uint32Array.from(dataset.train.labels, (_, i) => i)
    expect((await choosePrototypes(dataset, examples))[0]).toBe(dataset.train.labels.indexOf(0))
    const withoutIt = examples.filter((index) => dataset.train.labels[index] !== 0)
    await expect(choosePrototypes(dataset, withoutIt)).rejects.toMatchObject({ code: 'TOO_FEW_EXAMPLES', kind: 'user' })
  })

  it('are no longer sought when somebody says stop', async () => {
    const dataset = makeDataset([30, 30], 2)
    const examples = Uint32Array.from(dataset.train.labels, (_, i) => i)
    const stop = () => {
      throw new Error('stop')
    }
    await expect(choosePrototypes(dataset, examples, stop)).rejects.toThrow('stop')
  })
})
