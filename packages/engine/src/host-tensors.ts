import { ProgramError, TensorsError } from './errors.ts'
import type { Dtype, HostTensor, HostTensors, TensorSpec, TensorSpecs } from './program.ts'

const arrayTypes = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1)
}

/** Zeros of a dtype. */
export function allocate(dtype: Dtype, length: number): HostTensor {
  return new arrayTypes[dtype](length)
}

/** A copy as the array type of a dtype, which TensorFlow.js' plain backend does not always keep to. */
export function toHostTensor(dtype: Dtype, values: ArrayLike<number>): HostTensor {
  return arrayTypes[dtype].from(values)
}

/**
 * Checks names, types and lengths of tensors that a caller hands in.
 *
 * @param what how messages call an entry: `Input`, `State`, …
 * @throws {TensorsError} an entry is missing, unknown, or of the wrong type or length
 */
export function checkTensors(what: string, specs: TensorSpecs, values: HostTensors): void {
  for (const [name, spec] of Object.entries(specs)) checkTensor(what, name, spec, values[name])
  for (const name of Object.keys(values)) {
    if (!Object.hasOwn(specs, name)) throw new TensorsError(what, name, `the program has no such entry, only ${listNames(specs)}`)
  }
}

export function checkTensor(what: string, name: string, { shape, dtype }: TensorSpec, value: HostTensor | undefined): void {
  if (value === undefined) throw new TensorsError(what, name, 'missing')
  const type = arrayTypes[dtype]
  if (!(value instanceof type)) throw new TensorsError(what, name, `a ${dtype} tensor is a ${type.name}, not ${describe(value)}`)
  const length = elementCount(shape)
  if (value.length !== length) throw new TensorsError(what, name, `[${shape.join(', ')}] has ${length} elements, not ${value.length}`)
}

/** @throws {ProgramError} a spec has no known dtype or an impossible shape */
export function checkSpecs(what: string, specs: TensorSpecs): void {
  for (const [name, { shape, dtype }] of Object.entries(specs)) {
    const problem = !Object.hasOwn(arrayTypes, dtype)
      ? `unknown dtype ${String(dtype)}`
      : shape.some((n) => !Number.isInteger(n) || n < 0)
        ? `impossible shape [${shape.join(', ')}]`
        : undefined
    if (problem) throw new ProgramError(`${what} ${JSON.stringify(name)}: ${problem}`)
  }
}

export function sameSpec(a: TensorSpec, b: TensorSpec): boolean {
  return a.dtype === b.dtype && sameShape(a.shape, b.shape)
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i])
}

export function describeSpec({ shape, dtype }: TensorSpec): string {
  return `${dtype}[${shape.join(', ')}]`
}

function listNames(specs: TensorSpecs): string {
  return Object.keys(specs).join(', ') || 'none'
}

function describe(value: unknown): string {
  return (value as object | null)?.constructor?.name ?? String(value)
}
