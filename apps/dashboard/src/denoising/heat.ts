/** Share of the heat colour, 0…1, for a part of a whole. The root makes small shares visible. */
export function heat(value: number, whole: number): number {
  return whole > 0 ? Math.sqrt(Math.min(1, Math.max(0, value / whole))) : 0
}

export interface ConfusionCell {
  actual: number
  predicted: number
  count: number
  /** of the images of the true class, 0…1 */
  share: number
}

/** Cells of a confusion matrix (row: true class) with their share of the row, by rows. */
export function confusionCells(matrix: readonly (readonly number[])[]): ConfusionCell[][] {
  return matrix.map((row, actual) => {
    const total = row.reduce((sum, count) => sum + count, 0)
    return row.map((count, predicted) => ({ actual, predicted, count, share: total === 0 ? 0 : count / total }))
  })
}

/** The most frequent confusions, without the right answers and the empty cells. */
export function worstConfusions(cells: readonly (readonly ConfusionCell[])[], count: number): ConfusionCell[] {
  return cells
    .flat()
    .filter((cell) => cell.actual !== cell.predicted && cell.count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, count)
}
