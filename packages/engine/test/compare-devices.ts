import type { NamedTensorMap, Tensor } from '@tensorflow/tfjs-core'
import { expect } from 'vitest'
import { type HostTensor, type HostTensors, openDevice, type Program, type TensorSpec, type TensorSpecs } from '../src/index.ts'

/** Runs a program once on a device, on the given state and inputs. */
export async function runOn(device: string, program: Program, inputs: HostTensors, state: HostTensors = {}) {
  const opened = await openDevice(device)
  const compiled = await opened.compile(program)
  await compiled.writeState(state)
  const outputs = await compiled.run(inputs)
  const result = { outputs, state: await compiled.readState(), specs: compiled.outputs }
  compiled.dispose()
  opened.dispose()
  return result
}

/** A program without state, and inputs for it that have every sign and size. */
export function functionOf(inputs: TensorSpecs, f: (inputs: Record<string, Tensor>) => NamedTensorMap): Program {
  return { state: {}, inputs, run: (_state, tensors) => ({ state: {}, outputs: f(tensors as Record<string, Tensor>) }) }
}

export function float(...shape: number[]): TensorSpec {
  return { shape, dtype: 'float32' }
}

export function bool(...shape: number[]): TensorSpec {
  return { shape, dtype: 'bool' }
}

/** Numbers of every sign and size up to `size`, the same at each call; some are exactly 0. */
export function numbers(length: number, { size = 2, phase = 0 } = {}): Float32Array {
  return Float32Array.from({ length }, (_, i) => (i % 17 === 5 ? 0 : size * Math.sin((i + phase) * 1.7 + Math.sin(i * 0.3))))
}

/** Values with many ties, as pooling meets them in images. */
export function steps(length: number): Float32Array {
  return numbers(length).map((x) => Math.round(x))
}

/** Equal up to 1e-4 of the largest value, NaN where NaN is expected. */
export function expectClose(found: HostTensor | undefined, expected: HostTensor | undefined, tolerance = 1e-4): void {
  expect(found?.constructor).toBe(expected?.constructor)
  expect(found?.length).toBe(expected?.length)
  const [left, right] = [Array.from(found!), Array.from(expected!)]
  const scale = right.reduce((max, x) => (Number.isFinite(x) ? Math.max(max, Math.abs(x)) : max), 1e-6)
  right.forEach((x, i) => {
    const y = left[i]!
    const isEqual = Object.is(x, y) || (Number.isNaN(x) && Number.isNaN(y)) || Math.abs(x - y) <= tolerance * scale
    if (!isEqual) expect.fail(`element ${i}: found ${y}, expected ${x}, where the largest is ${scale}`)
  })
}
