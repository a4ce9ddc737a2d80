// Brings a fresh clone to the point where the product can run, and does nothing where nothing changed.
// Node built-ins only: it runs before anything is installed.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withLock } from './lock.mjs'
import { matchesLockfile, parseRecord } from './lockfile.mjs'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const generatedClient = 'apps/server/src/generated'

/** What is made from what; `outputs` must exist and the contents of `sources` be those of the last time. */
const products = {
  client: { sources: ['prisma/schema.prisma', 'package-lock.json'], outputs: [`${generatedClient}/prisma/client.ts`] },
  bundles: {
    sources: ['packages', 'apps/server', 'apps/trainer', 'prisma', 'scripts/build.mjs', 'scripts/bundles.mjs', 'package-lock.json'],
    outputs: ['dist/server/main.js', 'dist/trainer/main.js'],
  },
  dashboard: {
    sources: ['packages/contract', 'apps/dashboard', 'scripts/build.mjs', 'package-lock.json'],
    outputs: ['dist/dashboard/index.html'],
  },
}

/**
 * Installs the packages, generates the database client, and builds: each only where it is out of date.
 * Two calls at the same time, in different processes, take turns.
 *
 * @param {{ packages?: boolean, parts?: ('client' | 'bundles' | 'dashboard')[], log?: (line: string) => void }} options
 *   `packages: false` takes those that are installed as they are
 * @throws {SetUpError} a step failed
 */
export async function setUp({ packages = true, parts = ['client', 'bundles', 'dashboard'], log = console.log } = {}) {
  const needed = () => [
    ...(packages && !isInstalled() ? [install] : []),
    ...parts.filter((part) => !isCurrent(part)).map((part) => makers[part]),
  ]
  if (needed().length === 0) return
  // what another process has made in the meantime need not be made again
  await withLock(join(root, '.cache/set-up.lock'), log, async () => {
    for (const make of needed()) await make(log)
  })
}

/** A step that failed. `output` is what it wrote, where that has not been shown already. */
export class SetUpError extends Error {
  name = 'SetUpError'

  constructor(message, output = '') {
    super(message)
    this.output = output
  }
}

/** What to show of an error, for people. */
export function explain(error) {
  return error instanceof SetUpError ? `${error.output}${error.message}` : error.stack
}

const makers = { client: generateClient, bundles: buildBundles, dashboard: buildDashboard }

async function install(log) {
  log('Installing packages (once; one to three minutes) …')
  // CUDA support of ONNX Runtime is a download of hundreds of megabytes that fails the whole installation where it cannot be had
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: process.env.ONNXRUNTIME_NODE_INSTALL ?? 'skip' }
  // build tools and the binaries of this platform are needed whatever NODE_ENV and the user's npm settings leave out
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error']
  await run('npm', args, { env, what: 'Installing the packages' })
  writeFileSync(join(root, installRecord), JSON.stringify(nativeAbi()))
}

async function generateClient(log) {
  log('Generating the database client …')
  const fingerprint = fingerprintOf(products.client.sources)
  await runBin('prisma', ['generate', '--no-hints'], { what: 'Generating the database client', quiet: true })
  record('client', fingerprint)
}

async function buildBundles(log) {
  log('Building server and trainer …')
  const fingerprint = fingerprintOf(products.bundles.sources)
  await run(process.execPath, ['scripts/build.mjs', '--no-dashboard'], { what: 'The build of server and trainer' })
  record('bundles', fingerprint)
}

async function buildDashboard(log) {
  log('Building the dashboard …')
  const fingerprint = fingerprintOf(products.dashboard.sources)
  await run(process.execPath, ['scripts/build.mjs', '--no-bundles'], { what: 'The build of the dashboard' })
  record('dashboard', fingerprint)
}

/** Reads .env, where there is one. Variables that are set already win over those of the file. */
export function loadEnvironmentFile() {
  const file = join(root, '.env')
  if (existsSync(file)) process.loadEnvFile(file)
}

// ---- is it current? ----

const installRecord = 'node_modules/.noprop-native.json'
const stampFolder = '.cache/stamps'

function nativeAbi() {
  return { modules: process.versions.modules, platform: process.platform, arch: process.arch }
}

/** Whether node_modules holds what package-lock.json asks for, compiled for this Node. */
function isInstalled() {
  const native = parseRecord(readText(installRecord))
  if (native && JSON.stringify(native) !== JSON.stringify(nativeAbi())) return false
  // npm writes its own record of what it has installed at the very end
  return matchesLockfile(
    JSON.parse(readText('package-lock.json')).packages,
    parseRecord(readText('node_modules/.package-lock.json'))?.packages,
  )
}

function isCurrent(product) {
  const { sources, outputs } = products[product]
  if (!outputs.every((output) => existsSync(join(root, output)))) return false
  return readText(join(stampFolder, product)) === fingerprintOf(sources)
}

function record(product, fingerprint) {
  mkdirSync(join(root, stampFolder), { recursive: true })
  writeFileSync(join(root, stampFolder, product), fingerprint)
}

const ignored = new Set(['node_modules', 'generated', 'test', 'dist'])

function fingerprintOf(sources) {
  const hash = createHash('sha256').update(process.versions.node)
  for (const source of sources) addToHash(hash, source)
  return hash.digest('hex')
}

function addToHash(hash, path) {
  const entries = listFolder(path)
  if (!entries) hash.update(`${path}\0`).update(readText(path) ?? '')
  else for (const name of entries) if (!ignored.has(name) && !name.endsWith('.test.ts')) addToHash(hash, `${path}/${name}`)
}

function listFolder(path) {
  try {
    return readdirSync(join(root, path)).sort()
  } catch {
    return null
  }
}

function readText(path) {
  try {
    return readFileSync(join(root, path), 'latin1')
  } catch {
    return null
  }
}

// ---- processes ----

/**
 * Runs the command of an installed package, whatever its launcher looks like on this system.
 *
 * @param {{ what: string, package?: string, env?: NodeJS.ProcessEnv, quiet?: boolean }} options `package` where it is not named like the command
 */
export function runBin(bin, args, { package: packageName = bin, ...options }) {
  const folder = join(root, 'node_modules', packageName)
  const { bin: bins } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const script = join(folder, typeof bins === 'string' ? bins : bins[bin])
  return run(process.execPath, [script, ...args], options)
}

/**
 * Runs a command in the root of the repository and waits for its end.
 *
 * @param {{ what: string, env?: NodeJS.ProcessEnv, quiet?: boolean }} options `quiet` keeps its output for the error
 * @throws {SetUpError} it could not be started, or ended with another code than 0
 */
export function run(command, args, { what, env = process.env, quiet = false }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env,
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
      shell: process.platform === 'win32' && command === 'npm', // npm is a .cmd file there
    })
    const output = []
    child.stdout?.on('data', (chunk) => output.push(chunk))
    child.stderr?.on('data', (chunk) => output.push(chunk))
    child.on('error', (error) => reject(new SetUpError(`${what} failed: ${command} could not be started (${error.message})`)))
    child.on('close', (code, signal) => {
      if (code === 0) return resolve()
      reject(
        new SetUpError(`${what} failed (${signal ?? `exit code ${code}`}); its output above says why`, Buffer.concat(output).toString()),
      )
    })
  })
}
