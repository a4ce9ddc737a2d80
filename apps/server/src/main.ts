import { type Config, ConfigError, configExitCode, loadConfig } from './config.ts'
import { serve } from './serve.ts'

/** Codes of errors whose message tells a user what to do. */
const explainedCodes = ['DATA_DIR_LOCKED', 'MIGRATION_REFUSED']

const config = readConfig()
try {
  await serve(config)
} catch (error) {
  console.error(explain(error as NodeJS.ErrnoException, config))
  process.exit(1)
}

function readConfig(): Config {
  try {
    return loadConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(error.message)
    return process.exit(configExitCode)
  }
}

function explain(error: NodeJS.ErrnoException, { host, port, dataDir }: Config): unknown {
  if (explainedCodes.includes(error.code ?? '')) return error.message
  if (error.code === 'EADDRINUSE') return `Port ${port} of ${host} is in use. Set PORT to another one, or end the program that uses it.`
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND')
    return `HOST=${host} is no address of this machine. Set it to one that is, such as 127.0.0.1.`
  if (error.code === 'EACCES' && error.syscall === 'listen') return `Port ${port} needs privileges. Set PORT to 1024 or above.`
  if (['EACCES', 'EROFS', 'ENOTDIR', 'ENOENT'].includes(error.code ?? ''))
    return `The data folder ${dataDir} cannot be written (${error.message}). Set NOPROP_DATA_DIR to one that can.`
  return error
}
