import { readFileSync } from 'node:fs'

/** Parts of a second in which Linux counts the time of processes. */
const ticksPerSecond = 100

/** Processor time that all threads of a process have taken since its start, in seconds; Linux only. */
export function processCpu(pid: number): number {
  return parseProcessCpu(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

/** @param stat text of /proc/<pid>/stat */
export function parseProcessCpu(stat: string): number {
  // the name of the program, in parentheses, may hold anything
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
