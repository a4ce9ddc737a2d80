import { expect, test, vi } from 'vitest'
import { ProgressTracker } from './progress-tracker.ts'

const config = { epochs: 2, batch_size: 100 }
/** Two blocks and the head. */
const prepared = (stepsPerEpoch: number) => ({ units: [0, 1, 2], steps_per_epoch: stepsPerEpoch })

/** A tracker and its clock, in seconds. */
function trackerWithClock() {
  let now = 0
  return { tracker: new ProgressTracker(config, () => now * 1000), at: (seconds: number) => void (now = seconds) }
}

test('counts the steps of all blocks and leaves the head out', () => {
  const { tracker } = trackerWithClock()
  tracker.setStep(0, 500)
  tracker.setStep(1, 7)
  tracker.setStep(2, 3)
  expect(tracker.progress(0, prepared(10))).toMatchObject({ epoch: 0, epochs: 2, step: 10, steps: 40, fraction: 0.25 })
})

test('a network whose parts are trained together counts once', () => {
  const { tracker } = trackerWithClock()
  tracker.setStep(1, 5)
  expect(tracker.progress(0, { units: [1], steps_per_epoch: 10 })).toMatchObject({ step: 5, steps: 20 })
})

test('knows neither steps nor time before the data is known', () => {
  const { tracker } = trackerWithClock()
  expect(tracker.progress(0, null)).toMatchObject({ steps: null, fraction: 0, images_per_second: null, eta_seconds: null })
})

test('measures speed over the last half minute', () => {
  const { tracker, at } = trackerWithClock()
  tracker.progress(0, prepared(1000))
  at(1)
  expect(tracker.progress(0, prepared(1000)).images_per_second).toBeNull()
  for (let second = 2; second <= 60; second++) {
    at(second)
    // ten times faster from the thirtieth second on
    tracker.setStep(1, second <= 30 ? second : 30 + (second - 30) * 10)
    tracker.progress(0, prepared(1000))
  }
  expect(tracker.progress(0, prepared(1000))).toMatchObject({ step: 330, images_per_second: 1000, eta_seconds: 367 })
})

test('a clock that is set anew changes no speed', () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    const tracker = new ProgressTracker(config)
    tracker.progress(0, prepared(1000))
    vi.setSystemTime(Date.now() + 10_000)
    tracker.setStep(1, 10)
    // less than two seconds have passed
    expect(tracker.progress(0, prepared(1000)).images_per_second).toBeNull()
  } finally {
    vi.useRealTimers()
  }
})

test('is not at the end before the last evaluation', () => {
  const { tracker } = trackerWithClock()
  tracker.setStep(1, 20)
  tracker.setStep(2, 20)
  expect(tracker.progress(2, prepared(10)).fraction).toBe(0.99)
})

test('a block that was set back never gives a negative speed', () => {
  const { tracker, at } = trackerWithClock()
  tracker.setStep(1, 10)
  tracker.progress(0, prepared(10))
  at(5)
  tracker.setStep(1, 0)
  expect(tracker.progress(0, prepared(10))).toMatchObject({ step: 0, images_per_second: null })
  at(10)
  tracker.setStep(1, 5)
  expect(tracker.progress(0, prepared(10))).toMatchObject({ step: 5, images_per_second: 100 })
})

test('the training loss is the mean of the newest losses of the blocks', () => {
  const { tracker } = trackerWithClock()
  expect(tracker.trainLoss()).toBeNull()
  tracker.setMetrics(1, { denoising_loss: 9 })
  tracker.setMetrics(1, { weighted_loss: 50, cross_entropy: 40, denoising_loss: 1 })
  tracker.setMetrics(2, { accuracy: 0.5, cross_entropy: 2 })
  tracker.setMetrics(2, { accuracy: 0.7 })
  tracker.setMetrics(0, { cross_entropy: 100 })
  expect(tracker.trainLoss()).toBe(1.5)
})
