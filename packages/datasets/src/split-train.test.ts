import { describe, expect, test } from 'vitest'
import { splitTrain } from './split-train.ts'

describe('splitTrain', () => {
  test('the parts are disjoint and together are every image', () => {
    const { train, validation } = splitTrain(1000, 150, null, 7)
    expect(validation).toHaveLength(150)
    expect(train).toHaveLength(850)
    expect(new Set([...train, ...validation]).size).toBe(1000)
    expect(Math.max(...train, ...validation)).toBe(999)
  })

  test('the same seed gives the same split, another seed another', () => {
    expect(splitTrain(1000, 100, null, 3)).toEqual(splitTrain(1000, 100, null, 3))
    expect(splitTrain(1000, 100, null, 3).validation).not.toEqual(splitTrain(1000, 100, null, 4).validation)
  })

  test('a limit shortens the training part and leaves the validation part alone', () => {
    const all = splitTrain(1000, 100, null, 3)
    const few = splitTrain(1000, 100, 20, 3)
    expect(few.train).toHaveLength(20)
    expect(few.validation).toEqual(all.validation)
    expect([...few.train].every((index) => all.train.includes(index))).toBe(true)
  })

  test('the images of both parts are drawn from the whole set, not from its ends', () => {
    const { train, validation } = splitTrain(10_000, 1000, 1000, 1)
    const mean = (values: Uint32Array) => values.reduce((sum, value) => sum + value, 0) / values.length
    // the mean of 1000 uniform draws has a standard deviation of 91
    expect(Math.abs(mean(train) - 5000)).toBeLessThan(500)
    expect(Math.abs(mean(validation) - 5000)).toBeLessThan(500)
  })

  test('a validation split that leaves nothing to train on is refused', () => {
    expect(() => splitTrain(100, 100, null, 0)).toThrow('validation_size is 100')
  })
})
