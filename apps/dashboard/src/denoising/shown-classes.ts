/** Rows of class probabilities, such as those after each step of a chain. */
type Distributions = readonly (readonly number[])[]

/**
 * Which classes a table of distributions shows: all of them, or of many those that come highest in any row.
 *
 * @returns indices, rising
 */
export function shownClasses(rows: Distributions, most: number): number[] {
  const count = rows[0]?.length ?? 0
  const highest = Array.from({ length: count }, (_, index) => ({ index, probability: Math.max(...rows.map((row) => row[index] ?? 0)) }))
  if (count <= most) return highest.map(({ index }) => index)
  return highest
    .sort((a, b) => b.probability - a.probability)
    .slice(0, most)
    .map(({ index }) => index)
    .sort((a, b) => a - b)
}

/** The most probable classes, the highest first, and what is left for the others together; few classes stay as they are. */
export function mostProbable(probabilities: readonly number[], most: number): { classes: number[]; others: number; rest: number } {
  const all = probabilities.map((_, index) => index)
  if (all.length <= most) return { classes: all, others: 0, rest: 0 }
  const classes = all.sort((a, b) => probabilities[b]! - probabilities[a]!).slice(0, most)
  const shown = classes.reduce((sum, index) => sum + probabilities[index]!, 0)
  return { classes, others: probabilities.length - most, rest: Math.max(0, 1 - shown) }
}
