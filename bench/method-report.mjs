import { writeFileSync } from 'node:fs'
import { tables } from './method-tables.mjs'

/** Writes the tables of bench/METHODS.md from what bench/methods.json holds. */
export function writeReport(results, file) {
  const parts = [introduction(results)]
  for (const [name, table] of Object.entries(tables)) {
    const rows = Object.keys(table.rows)
      .map((row) => ({ row, runs: runsOf(results, `${name}/${row}/`) }))
      .filter(({ runs }) => runs.length > 0)
    if (rows.length > 0)
      parts.push(`## ${table.title}\n\n${describeTable(table, rows)}\n\n${accuracyTable(table, rows)}\n\n${chainTable(rows)}`)
  }
  writeFileSync(file, `${parts.join('\n\n')}\n`)
}

function runsOf(results, prefix) {
  return Object.entries(results)
    .filter(([key]) => key.startsWith(prefix))
    .map(([, result]) => result)
}

function introduction(results) {
  const processors = [...new Set(Object.values(results).map(({ processor }) => processor))].join(', ')
  const commits = [...new Set(Object.values(results).map(({ git_commit: commit }) => commit?.slice(0, 7)))].join(', ')
  return `# Every method on real data

Made by \`node bench/methods.mjs\`; every single run is in \`methods.json\`. All methods train the same blocks (T = 3, channels 16-32-64, 256 features), far
smaller and shorter than the paper's, whose figures stand beside them for orientation: they are its T = 10 networks of 32-64-128 channels after 100 epochs or more.

Accuracy is on the whole test set, mean ± standard deviation over the seeds. *Noise-free* is ours: the chain without noise, class of the last estimate. *The paper's
decoding* is noise and all: Eq. 3 and the head, from a random z_0 (for flow matching the nearest embedding; for forward-forward there is no noise, and both are one).
Processor time is that of the one trainer process that did everything, evaluation included, on ${processors}; others used the machine meanwhile, so take it
as about right. Memory is the largest of that process, data set included. Commits: ${commits}.${missing(results)}`
}

/** Says what the script would still train. */
function missing(results) {
  const left = Object.entries(tables)
    .map(
      ([name, { rows }]) =>
        `${name}: ${Object.keys(rows).filter((row) => runsOf(results, `${name}/${row}/`).length < 3).length} of ${Object.keys(rows).length} rows`,
    )
    .filter((text) => !text.includes(': 0 of'))
  return left.length > 0
    ? `\n\nNot finished: fewer than three seeds were run of ${left.join('; ')}. \`node bench/methods.mjs\` runs what is missing.`
    : ''
}

function describeTable(table, rows) {
  const { config } = rows[0].runs[0]
  const limit = config.validation_size ? `, ${config.validation_size} images held out` : ''
  return `Batch ${config.batch_size}${limit}. "Published" is the paper's Table 1 (arXiv:2503.24322), at full length; not measured here.`
}

function accuracyTable(table, rows) {
  const header = ['', 'seeds', 'noise-free', "the paper's decoding", 'published', 'parameters', 'processor time', 'memory']
  const body = rows.map(({ row, runs }) => [
    row,
    String(runs.length),
    percent(runs.map(({ accuracy }) => accuracy)),
    percent(runs.map(({ noisy }) => noisy.head)),
    table.published[row] ? `${table.published[row]} %` : '–',
    millions(runs[0].parameters.total),
    `${Math.round(mean(runs.map((run) => run.trainer_cpu_seconds)))} s`,
    `${Math.round(mean(runs.map((run) => run.trainer_peak_mib)))} MiB`,
  ])
  return markdownTable(header, body)
}

/** Noise-free accuracy after each step of the chain, first seed: a variant whose last step does all the work would show here. */
function chainTable(rows) {
  const lines = rows.map(({ row, runs }) => {
    const [{ chain_steps: steps, noise_free: chain }] = runs
    const shown =
      steps.length <= 5 ? steps.map((_, i) => i) : [0, Math.floor(steps.length / 4), Math.floor(steps.length / 2), steps.length - 1]
    return `| ${row} | ${shown.map((i) => `${steps[i]}: ${(100 * chain.after_step[i]).toFixed(2)} %`).join(' · ')} |`
  })
  return `Noise-free accuracy after steps of the chain, first seed:\n\n|  | step: accuracy |\n| --- | --- |\n${lines.join('\n')}`
}

function markdownTable(header, body) {
  return [header, header.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function percent(values) {
  const center = mean(values)
  if (values.length === 1) return `${(100 * center).toFixed(2)} %`
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1))
  return `${(100 * center).toFixed(2)} ± ${(100 * deviation).toFixed(2)} %`
}

function millions(count) {
  return `${(count / 1e6).toFixed(2)} M`
}
