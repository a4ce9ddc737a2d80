import { type Config, ConfigError, configExitCode, loadConfig } from './config.ts'
import { explainStartError } from './explain-start-error.ts'
import { serve } from './serve.ts'

const config = readConfig()
try {
  await serve(config)
} catch (error) {
  console.error(explainStartError(error as NodeJS.ErrnoException, config))
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
