/** Averages named numbers over the steps between two reports. */
export function createMeanMetrics() {
  let sums: Record<string, number> = {}
  let count = 0

  return {
    add(values: Record<string, number>) {
      for (const [name, value] of Object.entries(values)) sums[name] = (sums[name] ?? 0) + value
      count++
    },
    /** The means since the last call; null when nothing was added. */
    take(): Record<string, number> | null {
      if (count === 0) return null
      const means = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / count]))
      sums = {}
      count = 0
      return means
    },
  }
}
