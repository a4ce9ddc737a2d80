#!/usr/bin/env node
// `npm run bench`: builds what is out of date, then measures. Arguments are those of bench/bench.ts.
import { explain, runBin, setUp } from './set-up.mjs'

try {
  await setUp({ parts: ['client', 'bundles'] })
  await runBin('tsx', ['bench/bench.ts', ...process.argv.slice(2)], { what: 'The benchmark' })
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}
