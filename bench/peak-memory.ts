import { readFileSync } from 'node:fs'

/** The most memory that a process has had so far, in MiB; null where the system does not tell: only Linux does. */
export function peakMemory(pid: number): number | null {
  if (process.platform !== 'linux') return null
  return parsePeakMemory(readFileSync(`/proc/${pid}/status`, 'utf8'))
}

/** @param status text of /proc/<pid>/status */
export function parsePeakMemory(status: string): number | null {
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  return kibibytes === undefined ? null : Number(kibibytes) / 1024
}
