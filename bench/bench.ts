/**
 * `npm run bench`: measures, prints a table and writes JSON.
 *
 *     --only step,…     parts to run; all of them if it is left out
 *     --rounds 7        how often everything is measured, in turns
 *     --seconds 2       length of one measurement
 *     --limit 150       seconds after which a run to an accuracy is given up
 *     --out FILE        where the JSON goes; default data/bench.json
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { benchMemory } from './memory.ts'
import { benchPredict } from './predict.ts'
import { benchStep } from './step.ts'
import { benchStreams } from './streams.ts'
import { benchTimeToAccuracy } from './time-to-accuracy.ts'
import { benchTrainers } from './trainers.ts'

export interface BenchOptions {
  readonly rounds: number
  readonly seconds: number
  readonly limitSeconds: number
}

/** Something that was measured, or a note about how. */
export interface Figure {
  readonly name: string
  /** median of the rounds */
  readonly value?: number
  readonly unit?: string
  readonly rounds?: readonly number[]
  /** what we want at least */
  readonly target?: number
  /** what we want at most */
  readonly atMost?: number
  readonly detail?: unknown
}

const parts: Readonly<Record<string, (options: BenchOptions) => Promise<Figure[]>>> = {
  step: benchStep,
  trainers: benchTrainers,
  'time-to-accuracy': benchTimeToAccuracy,
  predict: benchPredict,
  memory: benchMemory,
  streams: benchStreams,
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(parts).join() },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    limit: { type: 'string', default: '150' },
    out: { type: 'string', default: 'data/bench.json' },
  },
})
const names = values.only.split(',')
const unknown = names.find((name) => !Object.hasOwn(parts, name))
if (unknown !== undefined) throw new Error(`--only ${unknown}: the parts are ${Object.keys(parts).join(', ')}`)
const options = { rounds: Number(values.rounds), seconds: Number(values.seconds), limitSeconds: Number(values.limit) }

const figures: Figure[] = []
for (const name of names) {
  for (const figure of await parts[name]!(options)) {
    figures.push(figure)
    console.log(line(figure))
  }
}
const machine = { cpu: cpus()[0]?.model.trim(), cores: availableParallelism(), node: process.version }
mkdirSync(dirname(values.out), { recursive: true })
writeFileSync(values.out, `${JSON.stringify({ machine, options, figures }, undefined, 2)}\n`)
console.log(`\n${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; written to ${values.out}`)

function line({ name, value, unit, rounds = [], target, atMost, detail }: Figure): string {
  if (value === undefined) return `${name.padEnd(64)} ${JSON.stringify(detail)}`
  const range = rounds.length > 0 ? `  (${digits(Math.min(...rounds))} … ${digits(Math.max(...rounds))})` : ''
  const least = target === undefined ? '' : `  target ${target}: ${value >= target ? 'reached' : 'missed'}`
  const most = atMost === undefined ? '' : `  target at most ${atMost}: ${value <= atMost ? 'reached' : 'missed'}`
  return `${name.padEnd(64)} ${digits(value).padStart(6)} ${unit}${range}${least}${most}`
}

/** Three of them that count. */
function digits(value: number): string {
  return value < 1000 ? value.toPrecision(3) : value.toFixed(0)
}
