import Type from 'typebox'
import { BlockIndex } from './identifiers.ts'

/** One line of a chart. Where the history is longer than `max_points`, each bucket gives its lowest and highest point, so peaks stay visible. */
export const MetricSeries = Type.Object({
  name: Type.String(),
  block: BlockIndex,
  points: Type.Array(Type.Array(Type.Number(), { minItems: 2, maxItems: 2 }), { description: '[step, value], by step' }),
  total_points: Type.Integer({ minimum: 0, description: 'points stored, before downsampling' }),
})
export type MetricSeries = Type.Static<typeof MetricSeries>

export const MetricSeriesList = Type.Object({ items: Type.Array(MetricSeries) })
export type MetricSeriesList = Type.Static<typeof MetricSeriesList>
