#!/usr/bin/env node
// `npm run check`: types, lint, format, unused code, migrations.
import { runChecks } from './checks.mjs'
import { setUp } from './set-up.mjs'

await setUp({ parts: ['client'] })
const { failed } = await runChecks(console.log)
process.exitCode = failed > 0 ? 1 : 0
