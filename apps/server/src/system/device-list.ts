import type { DeviceDescription } from '@noprop/contract'
import { describeDevices } from '@noprop/engine'

/** What can execute a training step here; looked up at the first request, since it does not change while the process runs. */
export function createDeviceList(): () => Promise<DeviceDescription[]> {
  let devices: Promise<DeviceDescription[]> | undefined
  return () => (devices ??= describeDevices())
}
