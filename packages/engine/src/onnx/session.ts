import { createRequire } from 'node:module'
import type { InferenceSession, Tensor } from 'onnxruntime-common'
import type * as onnxRuntime from 'onnxruntime-node'
import { ProgramError, UnsupportedOpError } from '../errors.ts'
import type { HostTensor, TensorSpec } from '../program.ts'

type OnnxRuntime = typeof onnxRuntime

/** @throws when the native library does not load */
export function loadOnnxRuntime(): OnnxRuntime {
  // called where it is needed, because the library may be missing where another device is used
  return createRequire(import.meta.url)('onnxruntime-node') as OnnxRuntime
}

/** How ONNX Runtime says that it has no operator for tensors of these types. */
const unknownOperator = /(?:operator|Optype) \((\w+)\)|implementation for (\w+)\(/

/**
 * @throws {UnsupportedOpError} ONNX Runtime has an operator of the model not for its types
 * @throws {ProgramError} ONNX Runtime refuses the model for another reason
 */
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
    const { message } = error as Error
    const [, operator, implementation] = unknownOperator.exec(message) ?? []
    const op = operator ?? implementation
    if (op) throw new UnsupportedOpError(op, 'tensors of these types', { cause: error })
    throw new ProgramError(`ONNX Runtime refuses the compiled program: ${message}`, { cause: error })
  }
}

/** Shares the memory of `data`. */
export function toOnnxTensor({ shape, dtype }: TensorSpec, data: HostTensor): Tensor {
  const { Tensor } = loadOnnxRuntime()
  return new Tensor(dtype, data as Float32Array, shape)
}
