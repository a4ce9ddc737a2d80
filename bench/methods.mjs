#!/usr/bin/env node
// Trains every method on real data, several seeds each, through the product's own API, and writes what came of it.
//   node bench/methods.mjs [--tables mnist,ours,cifar10] [--rows 'dt;ct'] [--seeds 1,2,3] [--workers 2] [--report]
// Every run has a server of its own with one trainer, so that all methods are given the same: one core, and memory is that of the run. Runs that the results file already
// holds are not repeated; --report only writes the tables anew. Needs a built product (npm run build) and NOPROP_DATASETS_DIR, or a network.
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { tables } from './method-tables.mjs'
import { writeReport } from './method-report.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const resultsFile = join(root, 'bench/methods.json')

const { values: options } = parseArgs({
  options: {
    tables: { type: 'string', default: Object.keys(tables).join() },
    rows: { type: 'string', default: '' },
    seeds: { type: 'string', default: '1,2,3' },
    workers: { type: 'string', default: String(cpus().length) },
    report: { type: 'boolean', default: false },
  },
})

/** Everything that was measured so far, by `table/row/seed`. */
function readResults() {
  return existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, 'utf8')) : {}
}

function keep(key, result) {
  const all = { ...readResults(), [key]: result }
  writeFileSync(`${resultsFile}.tmp`, `${JSON.stringify(all, null, 2)}\n`)
  renameSync(`${resultsFile}.tmp`, resultsFile)
}

/** Seed by seed, so that every row has a figure before any has the next one. */
function plannedRuns() {
  const known = readResults()
  const seeds = options.seeds.split(',').map(Number)
  const rows = options.rows ? options.rows.split(';') : null
  const all = options.tables
    .split(',')
    .flatMap((table) => seeds.flatMap((seed) => Object.entries(tables[table].rows).map(([row, config]) => ({ table, row, seed, config }))))
  return all
    .map((run) => ({ ...run, key: `${run.table}/${run.row}/${run.seed}` }))
    .filter(({ key, row }) => !known[key] && (rows === null || rows.includes(row)))
}

async function trainOnce({ table, seed, config }, dataDir) {
  const server = await startServer(dataDir)
  try {
    const { dataset, overrides } = tables[table]
    const body = { dataset, preset: 'quick', config: { ...overrides, ...config, seed } }
    const created = await call(server, '/v1/runs', body)
    const cost = await watch(server, created.id)
    const run = await call(server, `/v1/runs/${created.id}`)
    if (run.status !== 'succeeded') throw new Error(`${run.status}: ${JSON.stringify(run.failure)}`)
    const { items } = await call(server, `/v1/runs/${created.id}/evaluations`)
    const last = items.filter(({ split }) => split === 'test').sort((a, b) => b.epoch - a.epoch)[0]
    return {
      config: run.config,
      parameters: run.parameters,
      epochs: last.epoch,
      accuracy: last.accuracy,
      noise_free: last.noise_free,
      noisy: last.noisy,
      chain_steps: last.chain_steps,
      wall_seconds: (Date.parse(run.finished_at) - Date.parse(run.started_at)) / 1000,
      ...cost,
      git_commit: run.provenance.git_commit,
      processor: cpus()[0].model,
    }
  } finally {
    await endServer(server)
  }
}

async function startServer(dataDir) {
  const env = { ...process.env, HOST: '127.0.0.1', PORT: '0', NOPROP_DATA_DIR: dataDir, NOPROP_TRAINERS: '1', LOG_LEVEL: 'warn' }
  const child = spawn(process.execPath, [join(root, 'dist/server/main.js')], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  for await (const chunk of child.stdout) {
    output += String(chunk)
    const url = /^NoProp Studio listens on (\S+)$/m.exec(output)?.[1]
    if (url) return { child, url }
  }
  throw new Error(`the server did not start: ${output}`)
}

async function endServer({ child }) {
  if (child.exitCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await ended
}

/** A connection that breaks on a busy machine is no reason to lose a run: the request is repeated. */
async function call({ url }, path, body, { attempts = 5, key = randomUUID() } = {}) {
  const json = body && {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify(body),
  }
  let response
  try {
    response = await fetch(url + path, json)
  } catch (error) {
    if (attempts === 1) throw error
    await sleep(2000)
    return call({ url }, path, body, { attempts: attempts - 1, key })
  }
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response.json()
}

const finalStatuses = ['succeeded', 'failed', 'canceled']

/** Waits for the end of a run; answers the processor time and the largest memory of its trainers, where the system tells (Linux). */
async function watch(server, id) {
  const costs = new Map() // by process: one that is lost is replaced
  const timer = setInterval(() => readCosts(server.child.pid, costs), 500)
  try {
    for (;;) {
      const { status } = await call(server, `/v1/runs/${id}?wait_seconds=20`)
      if (finalStatuses.includes(status)) return sumOf([...costs.values()])
    }
  } finally {
    clearInterval(timer)
  }
}

function sumOf(costs) {
  if (costs.length === 0) return { trainer_cpu_seconds: null, trainer_peak_mib: null }
  return {
    trainer_cpu_seconds: costs.reduce((sum, { seconds }) => sum + seconds, 0),
    trainer_peak_mib: Math.max(...costs.map(({ mib }) => mib)),
  }
}

/** Of the trainers among the children of a server, from /proc: processor time in ticks of 1/100 s, memory in KiB. */
function readCosts(serverPid, costs) {
  try {
    for (const pid of readFileSync(`/proc/${serverPid}/task/${serverPid}/children`, 'utf8').split(' ').filter(Boolean)) {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('trainer/main.js')) continue
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
      const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]
      costs.set(pid, { seconds: (Number(fields[11]) + Number(fields[12])) / 100, mib: Math.round(Number(peak) / 1024) })
    }
  } catch {
    // a process that ended meanwhile keeps its last figures; another system has no /proc
  }
}

/** Takes runs until there are none; its servers, one after the other, share a data folder. */
async function work(queue) {
  const dataDir = mkdtempSync(join(tmpdir(), 'noprop-methods-'))
  for (let run = queue.shift(); run; run = queue.shift()) {
    const startedAt = Date.now()
    try {
      const result = await trainOnce(run, dataDir)
      keep(run.key, result)
      const seconds = Math.round((Date.now() - startedAt) / 1000)
      console.log(`${run.key}: ${(100 * result.accuracy).toFixed(2)} %, ${seconds} s, ${result.trainer_cpu_seconds} s of processor`)
    } catch (error) {
      console.error(`${run.key}: ${error.message}`)
      process.exitCode = 1
    }
  }
  rmSync(dataDir, { recursive: true, force: true })
}

if (!options.report) {
  const queue = plannedRuns()
  await Promise.all(Array.from({ length: Number(options.workers) }, () => work(queue)))
}
writeReport(readResults(), join(root, 'bench/METHODS.md'))
