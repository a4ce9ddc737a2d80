import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createThrottle } from './throttle.ts'

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => vi.useRealTimers())

const unexpected = (error: Error) => {
  throw error
}

test('runs at once, then once more after the interval however often it was asked', async () => {
  const action = vi.fn(async () => {})
  const throttle = createThrottle(action, unexpected)
  for (let i = 0; i < 10; i++) throttle.request(250)
  expect(action).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(249)
  expect(action).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(action).toHaveBeenCalledTimes(2)
  await vi.advanceTimersByTimeAsync(1000)
  expect(action).toHaveBeenCalledTimes(2)
})

test('the most urgent of several requests counts, whichever came first', async () => {
  for (const intervals of [
    [250, 50],
    [50, 250],
  ]) {
    const action = vi.fn(async () => {})
    const throttle = createThrottle(action, unexpected)
    throttle.request(250)
    await vi.advanceTimersByTimeAsync(10)
    for (const interval of intervals) throttle.request(interval)
    await vi.advanceTimersByTimeAsync(39)
    expect(action).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(action).toHaveBeenCalledTimes(2)
    await vi.advanceTimersByTimeAsync(1000)
    expect(action).toHaveBeenCalledTimes(2)
  }
})

test('an urgent request is done at once where its own interval is over', async () => {
  const action = vi.fn(async () => {})
  const throttle = createThrottle(action, unexpected)
  throttle.request(250)
  await vi.advanceTimersByTimeAsync(60)
  throttle.request(250)
  expect(action).toHaveBeenCalledTimes(1)
  throttle.request(50)
  expect(action).toHaveBeenCalledTimes(2)
})

test('what is asked for while it runs is done afterwards, never at the same time', async () => {
  let running = 0
  const action = vi.fn(async () => {
    expect(++running).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 400))
    running--
  })
  const throttle = createThrottle(action, unexpected)
  throttle.request(250)
  await vi.advanceTimersByTimeAsync(100)
  throttle.request(250)
  await vi.advanceTimersByTimeAsync(1000)
  expect(action).toHaveBeenCalledTimes(2)
})

test('does nothing after it was stopped', async () => {
  const action = vi.fn(async () => {})
  const throttle = createThrottle(action, unexpected)
  throttle.request(250)
  throttle.request(250)
  throttle.stop()
  throttle.request(0)
  await vi.advanceTimersByTimeAsync(1000)
  expect(action).toHaveBeenCalledTimes(1)
})

test('an action that fails is reported, and the next request runs it again', async () => {
  const failure = new Error('no disk')
  const action = vi.fn(async () => {}).mockRejectedValueOnce(failure)
  const onError = vi.fn()
  const throttle = createThrottle(action, onError)
  throttle.request(250)
  throttle.request(250)
  await vi.advanceTimersByTimeAsync(1000)
  expect(onError.mock.calls).toEqual([[failure]])
  expect(action).toHaveBeenCalledTimes(2)
})
