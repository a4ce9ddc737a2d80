import { version_cpu } from '@tensorflow/tfjs-backend-cpu'
import type { Device } from '../program.ts'
import { openEagerDevice } from './eager-device.ts'

export const referenceDetail = `TensorFlow.js ${version_cpu}, its plain JavaScript backend`

/** Slow, and simple enough to trust: what the other devices are compared with. */
export function openReferenceDevice(): Device {
  return openEagerDevice('reference', 'cpu', referenceDetail)
}
