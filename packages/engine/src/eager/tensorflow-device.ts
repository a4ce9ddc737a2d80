import util from 'node:util'
import * as tf from '@tensorflow/tfjs-core'
import { DeviceUnavailableError } from '../errors.ts'
import type { Device } from '../program.ts'
import { openEagerDevice } from './eager-device.ts'

/** The part of the optional package that is used here; it cannot be imported for its types where it is not installed. */
interface TensorFlowNode {
  readonly version: { readonly 'tfjs-node': string; readonly 'tfjs-core': string }
  readonly node: unknown
}
interface TensorFlowNodeBackend {
  readonly isUsingGpuDevice: boolean
  readonly binding?: { readonly TF_Version?: string }
}

const packageName = '@tensorflow/tfjs-node-gpu'

/** TensorFlow's own kernels, called eagerly: CUDA where it finds a GPU. */
export async function openTensorFlowDevice(): Promise<Device> {
  return openEagerDevice('tensorflow', 'tensorflow', await describeTensorFlow())
}

/** @throws {DeviceUnavailableError} the package is not installed, or its native library does not load */
export async function describeTensorFlow(): Promise<string> {
  const previous = tf.getBackend()
  try {
    const { version } = await loadTensorFlow()
    const backend = tf.findBackend('tensorflow') as unknown as TensorFlowNodeBackend | null
    if (!backend) throw new DeviceUnavailableError('tensorflow', `it uses another copy of TensorFlow.js than ours, ${tf.version_core}`)
    const library = backend.binding?.TF_Version ?? version['tfjs-node']
    return `TensorFlow ${library}, ${backend.isUsingGpuDevice ? 'CUDA' : 'CPU'} kernels`
  } finally {
    // the package makes its own backend the global one
    if (previous) void tf.setBackend(previous)
  }
}

async function loadTensorFlow(): Promise<TensorFlowNode> {
  // Node 23 removed a function that the package still calls
  const legacy = util as { isNullOrUndefined?: (value: unknown) => boolean }
  legacy.isNullOrUndefined ??= (value) => value === null || value === undefined
  try {
    const loaded = (await import(packageName)) as TensorFlowNode & { default?: TensorFlowNode }
    return loaded.default ?? loaded
  } catch (error) {
    throw new DeviceUnavailableError('tensorflow', reasonOf(error as NodeJS.ErrnoException), { cause: error })
  }
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(packageName)) return `the optional package ${packageName} is not installed`
  return `${packageName} does not load (${message.split('\n')[0]})`
}
