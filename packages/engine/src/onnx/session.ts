import { createRequire } from 'node:module'
import type { InferenceSession, Tensor } from 'onnxruntime-common'
import type * as onnxRuntime from 'onnxruntime-node'
import { ProgramError } from '../errors.ts'
import type { HostTensor, TensorSpec } from '../program.ts'

type OnnxRuntime = typeof onnxRuntime

/** @throws when the native library does not load */
export function loadOnnxRuntime(): OnnxRuntime {
  // called where it is needed, because the library may be missing where another device is used
  return createRequire(import.meta.url)('onnxruntime-node') as OnnxRuntime
}

/** @throws {ProgramError} ONNX Runtime refuses the model */
export async function createSession(model: Uint8Array, threads: number): Promise<InferenceSession> {
  try {
    return await loadOnnxRuntime().InferenceSession.create(model, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 4, // what goes wrong is thrown
    })
  } catch (error) {
    throw new ProgramError(`ONNX Runtime refuses the compiled program: ${(error as Error).message}`, { cause: error })
  }
}

/** Shares the memory of `data`. */
export function toOnnxTensor({ shape, dtype }: TensorSpec, data: HostTensor): Tensor {
  const { Tensor } = loadOnnxRuntime()
  return new Tensor(dtype, data as Float32Array, shape)
}
