import { expect, test } from 'vitest'
import { parseProcessCpu, processCpu } from './process-cpu.ts'

test('the time in user and kernel mode counts, whatever the program is called', () => {
  const rest = 'S 1 42 42 0 -1 4194304 9000 0 12 0 250 50 7 3 25 5 11 0 12345 1000 200'
  expect(parseProcessCpu(`42 (node) ${rest}`)).toBe(3)
  expect(parseProcessCpu(`42 (a) b (9 9 9) ${rest}`)).toBe(3)
})

test.runIf(process.platform === 'linux')('is what the process itself knows of, to some hundredths', () => {
  const { user, system } = process.cpuUsage()
  expect(Math.abs(processCpu(process.pid) - (user + system) / 1e6)).toBeLessThan(0.2)
})
