import { execFile } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { DeviceDescription } from '@noprop/contract'
import Type from 'typebox'
import Value from 'typebox/value'

const timeoutMs = 30_000
const names: readonly DeviceDescription['name'][] = ['cpu', 'tensorflow', 'reference']

/**
 * What can execute a training step here. To find out means to load every native library, and TensorFlow takes hold of the GPU as it loads, so a process
 * of its own does it, at the first request; the answer does not change while the server runs.
 *
 * @param bundle a built module that exports `describeDevices`
 */
export function createDeviceList(bundle: string): () => Promise<DeviceDescription[]> {
  let devices: Promise<DeviceDescription[]> | undefined
  return async () => {
    devices ??= askProcess(bundle)
    try {
      return await devices
    } catch (error) {
      devices = undefined
      const detail = `could not be looked up: ${(error as Error).message.split('\n')[0]}`
      return names.map((name) => ({ name, available: false, detail }))
    }
  }
}

async function askProcess(bundle: string): Promise<DeviceDescription[]> {
  const url = JSON.stringify(pathToFileURL(bundle).href)
  // native libraries print to standard output as they load; the answer is the last line
  const program = `import { describeDevices } from ${url}; console.log('\\n' + JSON.stringify(await describeDevices())); process.exit()`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], { timeout: timeoutMs })
  return Value.Parse(Type.Array(DeviceDescription), JSON.parse(stdout.trim().split('\n').at(-1)!))
}
