import type { Config } from '../config.ts'

/** What a trainer process is told: the server's own environment without its secret, and where data is. */
export function trainerEnvironment(
  env: NodeJS.ProcessEnv,
  config: Pick<Config, 'dataDir' | 'datasetsDir'>,
  slot: number,
): NodeJS.ProcessEnv {
  const { NOPROP_API_TOKEN: _secret, ...rest } = env
  return {
    ...rest,
    NOPROP_DATA_DIR: config.dataDir,
    NOPROP_DATASETS_DIR: config.datasetsDir ?? '',
    NOPROP_TRAINER_SLOT: String(slot),
  }
}
