import { expect, test } from 'vitest'
import { parsePeakMemory, peakMemory } from './peak-memory.ts'

test('the peak is read in MiB, whatever the memory of the moment is', () => {
  const status = 'Name:\tnode\nVmPeak:\t 1048576 kB\nVmHWM:\t   76800 kB\nVmRSS:\t   51200 kB\n'
  expect(parsePeakMemory(status)).toBe(75)
  expect(parsePeakMemory('Name:\tkthreadd\n')).toBeNull()
})

test.runIf(process.platform === 'linux')('the peak of this process is at least what it has now', () => {
  expect(peakMemory(process.pid)! * 2 ** 20).toBeGreaterThan(0.5 * process.memoryUsage.rss())
})
