/**
 * `npm run bench`: measures, prints a table and writes JSON.
 *
 *     --only step,…     parts to run; all of them if it is left out
 *     --rounds 7        how often everything is measured, in turns
 *     --seconds 2       length of one measurement
 *     --out FILE        where the JSON goes; default data/bench.json
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { benchStep } from './step.ts'

export interface BenchOptions {
  readonly rounds: number
  readonly seconds: number
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
  readonly detail?: unknown
}

const parts: Readonly<Record<string, (options: BenchOptions) => Promise<Figure[]>>> = { step: benchStep }

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(parts).join() },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    out: { type: 'string', default: 'data/bench.json' },
  },
})
const names = values.only.split(',')
const unknown = names.find((name) => !Object.hasOwn(parts, name))
if (unknown !== undefined) throw new Error(`--only ${unknown}: the parts are ${Object.keys(parts).join(', ')}`)
const options = { rounds: Number(values.rounds), seconds: Number(values.seconds) }

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

function line({ name, value, unit, rounds = [], target, detail }: Figure): string {
  if (value === undefined) return `${name.padEnd(64)} ${JSON.stringify(detail)}`
  const [low, high] = [Math.min(...rounds), Math.max(...rounds)].map((x) => x.toPrecision(3))
  const verdict = target === undefined ? '' : `  target ${target}: ${value >= target ? 'reached' : 'missed'}`
  return `${name.padEnd(64)} ${value.toPrecision(3).padStart(6)} ${unit}  (${low} … ${high})${verdict}`
}
