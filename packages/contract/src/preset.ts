import Type from 'typebox'
import { DatasetName, RunConfig } from './run-config.ts'

/** A named starting point. `estimated_seconds` comes from a measurement on this machine, or is null before there is one. */
export const Preset = Type.Object({
  name: Type.String(),
  title: Type.String(),
  description: Type.String(),
  group: Type.Enum(['quick', 'paper'], { description: "quick: minutes on a CPU; paper: a row of the paper's Table 1 at full length" }),
  datasets: Type.Array(DatasetName, { description: 'what it is meant for; it may be used on every other, too' }),
  config: RunConfig,
  estimates: Type.Array(
    Type.Object({
      dataset: DatasetName,
      seconds: Type.Union([Type.Number(), Type.Null()]),
      basis: Type.String({ description: 'what the estimate rests on, in words' }),
    }),
  ),
})
export type Preset = Type.Static<typeof Preset>
