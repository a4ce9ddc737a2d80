import { expect, test } from 'vitest'
import { blockParameters, headParameters } from './parameter-count.ts'

const paper = { channels: [32, 64, 128], features: 256 }

test.each([
  ['MNIST', [28, 28, 1], 10, 919_946],
  ['CIFAR-10', [32, 32, 3], 10, 1_215_434],
  ['CIFAR-100', [32, 32, 3], 100, 1_250_084],
])("one block of the paper's network on %s", (_, imageShape, classes, parameters) => {
  expect(blockParameters({ ...paper, imageShape, classes })).toBe(parameters)
})

test('an image that the convolutions would use up has no network', () => {
  expect(blockParameters({ ...paper, imageShape: [10, 10, 1], classes: 10 })).toBe(0)
})

test('the head is linear with a bias', () => expect(headParameters(10)).toBe(110))
