import { availableParallelism } from 'node:os'
import { DisposedError, ProgramError } from '../errors.ts'
import type { Device } from '../program.ts'
import { compileForOnnx } from './onnx-program.ts'
import { findChannelBlock } from './channel-block.ts'
import { loadOnnxRuntime } from './session.ts'

/**
 * The default device: programs compiled to ONNX graphs.
 *
 * @param threads threads of one run; 1 by default, because blocks train in processes of their own
 */
export async function openOnnxDevice({ threads = 1 }: { threads?: number } = {}): Promise<Device> {
  if (!Number.isInteger(threads) || threads < 1 || threads > 4 * availableParallelism())
    throw new ProgramError(`threads must be a whole number from 1 to ${4 * availableParallelism()}, not ${threads}`)
  const channelBlock = await findChannelBlock()
  let disposed = false
  return {
    name: 'cpu',
    detail: await describeOnnxRuntime(),
    async compile(program, options = {}) {
      if (disposed) throw new DisposedError('device')
      return compileForOnnx(program, options, { threads, channelBlock })
    },
    dispose() {
      disposed = true
    },
  }
}

/** @throws when the native library does not load */
export async function describeOnnxRuntime(): Promise<string> {
  const { versions } = loadOnnxRuntime().env
  return `ONNX Runtime ${versions.node}, CPU`
}
