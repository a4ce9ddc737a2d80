import { expect, test } from 'vitest'
import { trainerEnvironment } from './trainer-environment.ts'

test('a trainer knows where data is and which slot it has, and not the secret', () => {
  const env = { PATH: '/bin', NOPROP_API_TOKEN: 'secret', NOPROP_DATA_DIR: 'relative' }
  expect(trainerEnvironment(env, { dataDir: '/data', datasetsDir: null }, 3)).toEqual({
    PATH: '/bin',
    NOPROP_DATA_DIR: '/data',
    NOPROP_DATASETS_DIR: '',
    NOPROP_TRAINER_SLOT: '3',
  })
})
