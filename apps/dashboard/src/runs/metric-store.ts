import type { MetricSeries, RunEvent } from '@noprop/contract'
import { GrowingSeries } from '../charts/series.ts'

/** All metrics of a run: name → block → line. History and live events may overlap: a point has one place, its step. */
export class MetricStore {
  readonly #lines = new Map<string, Map<number, GrowingSeries>>()

  addHistory(items: readonly MetricSeries[]): void {
    for (const { name, block, points } of items) {
      const line = this.#line(name, block)
      for (const [step, value] of points) line.add(step!, value!)
    }
  }

  addEvent(event: RunEvent): void {
    if (event.type !== 'block_metrics') return
    for (const [name, value] of Object.entries(event.values)) this.#line(name, event.block).add(event.step, value)
  }

  /** Names of the metrics that a block or network has reported, in the order in which they came first; what the head alone reports is left out. */
  names(): string[] {
    return [...this.#lines].filter(([, lines]) => [...lines.keys()].some((block) => block !== 0)).map(([name]) => name)
  }

  /** Lines of one metric by block, in the order of the blocks; the shared head (block 0) last. */
  lines(name: string): [block: number, line: GrowingSeries][] {
    return [...(this.#lines.get(name) ?? [])].sort(([a], [b]) => (a || Infinity) - (b || Infinity))
  }

  #line(name: string, block: number): GrowingSeries {
    const lines = this.#lines.get(name) ?? new Map<number, GrowingSeries>()
    this.#lines.set(name, lines)
    const line = lines.get(block) ?? new GrowingSeries()
    lines.set(block, line)
    return line
  }
}
