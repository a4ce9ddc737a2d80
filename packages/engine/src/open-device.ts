import { describeTensorFlow, openTensorFlowDevice } from './eager/tensorflow-device.ts'
import { openReferenceDevice, referenceDetail } from './eager/reference-device.ts'
import { DeviceUnavailableError } from './errors.ts'
import { describeOnnxRuntime, openOnnxDevice } from './onnx/onnx-device.ts'
import type { Device } from './program.ts'

export interface DeviceOptions {
  /** threads of one run, on a device that lets us choose; default 1 */
  readonly threads?: number
}

export interface DeviceDescription {
  readonly name: Device['name']
  readonly available: boolean
  /** What executes, and its version; or why it is not available. */
  readonly detail: string
}

const devices: Record<Device['name'], { open(options: DeviceOptions): Promise<Device>; describe(): Promise<string> }> = {
  cpu: { open: openOnnxDevice, describe: describeOnnxRuntime },
  tensorflow: { open: openTensorFlowDevice, describe: describeTensorFlow },
  reference: { open: async () => openReferenceDevice(), describe: async () => referenceDetail },
}

/** @throws {DeviceUnavailableError} there is no such device, or not on this machine */
export async function openDevice(name: string, options: DeviceOptions = {}): Promise<Device> {
  if (!Object.hasOwn(devices, name)) throw new DeviceUnavailableError(name, `the devices are ${Object.keys(devices).join(', ')}`)
  return devices[name as Device['name']].open(options)
}

/** What can execute programs on this machine, the default first. */
export async function describeDevices(): Promise<DeviceDescription[]> {
  const descriptions: DeviceDescription[] = []
  for (const [name, { describe }] of Object.entries(devices) as [Device['name'], { describe(): Promise<string> }][]) {
    try {
      descriptions.push({ name, available: true, detail: await describe() })
    } catch (error) {
      descriptions.push({
        name,
        available: false,
        detail: error instanceof DeviceUnavailableError ? error.reason : (error as Error).message,
      })
    }
  }
  return descriptions
}
