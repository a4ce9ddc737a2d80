/** Small steps that many lowerings share. Each returns its argument where nothing is to be done. */

import { backend_util } from '@tensorflow/tfjs-core'
import type { Graph, Value, ValueDtype } from '../graph/graph.ts'
import { sameShape } from '../host-tensors.ts'

export function reshape(graph: Graph, x: Value, shape: readonly number[]): Value {
  if (sameShape(x.shape, shape)) return x
  if (x.constant !== undefined) {
    return typeof x.constant === 'number' ? graph.fill(x.constant, shape, x.dtype) : graph.constant(x.constant, shape, x.dtype)
  }
  // a reshaped reshape starts from the original, so that equal views become one value
  const source = x.producer?.op === 'Reshape' ? x.producer.inputs[0]! : x
  if (sameShape(source.shape, shape)) return source
  return graph.add('Reshape', [source, graph.int64(...shape)], { shape, dtype: x.dtype }, { allowzero: 1 })
}

export function cast(graph: Graph, x: Value, dtype: ValueDtype): Value {
  if (x.dtype === dtype) return x
  const to = { float32: 1, int32: 6, int64: 7, bool: 9 }[dtype]
  return graph.add('Cast', [x], { shape: x.shape, dtype }, { to })
}

/** Booleans as 0 and 1, which ONNX can count and compare. */
export function asNumber(graph: Graph, x: Value): Value {
  return x.dtype === 'bool' ? cast(graph, x, 'int32') : x
}

export function transpose(graph: Graph, x: Value, perm: readonly number[]): Value {
  if (perm.every((axis, i) => axis === i)) return x
  return graph.add('Transpose', [x], { shape: perm.map((axis) => x.shape[axis]!), dtype: x.dtype }, { perm })
}

export function binary(graph: Graph, op: string, a: Value, b: Value, dtype: ValueDtype = a.dtype): Value {
  const shape = backend_util.assertAndGetBroadcastShape([...a.shape], [...b.shape])
  return graph.add(op, scalarIfUniform(graph, a, b, shape), { shape, dtype })
}

/** A tensor with one number everywhere need not be stored where the other operand has the full shape. One of them keeps it. */
function scalarIfUniform(graph: Graph, a: Value, b: Value, shape: readonly number[]): [Value, Value] {
  if (typeof b.constant === 'number' && sameShape(a.shape, shape)) return [a, graph.fill(b.constant, [], b.dtype)]
  if (typeof a.constant === 'number' && sameShape(b.shape, shape)) return [graph.fill(a.constant, [], a.dtype), b]
  return [a, b]
}

export function unary(graph: Graph, op: string, x: Value, attributes = {}): Value {
  return graph.add(op, [x], { shape: x.shape, dtype: x.dtype }, attributes)
}

export function where(graph: Graph, condition: Value, then: Value, otherwise: Value): Value {
  const shape = [condition, then, otherwise].reduce<number[]>(
    (all, { shape }) => backend_util.assertAndGetBroadcastShape(all, [...shape]),
    [],
  )
  if (then.dtype !== 'bool') return graph.add('Where', [condition, then, otherwise], { shape, dtype: then.dtype })
  // ONNX Runtime has no Where for booleans
  const chosen = binary(graph, 'And', condition, then)
  return binary(graph, 'Or', chosen, binary(graph, 'And', unary(graph, 'Not', condition), otherwise))
}

/** Broadcasts to a larger shape. */
export function expand(graph: Graph, x: Value, shape: readonly number[]): Value {
  if (sameShape(x.shape, shape)) return x
  if (typeof x.constant === 'number') return graph.fill(x.constant, shape, x.dtype)
  return graph.add('Expand', [x, graph.int64(...shape)], { shape, dtype: x.dtype })
}

/** Pads with a number; [before, after] for every axis. */
export function pad(graph: Graph, x: Value, paddings: readonly (readonly [number, number])[], value: number): Value {
  if (paddings.every(([before, after]) => before === 0 && after === 0)) return x
  const shape = x.shape.map((n, i) => n + paddings[i]![0] + paddings[i]![1])
  const amounts = graph.int64(...paddings.map(([before]) => before), ...paddings.map(([, after]) => after))
  return graph.add('Pad', [x, amounts, graph.fill(value, [], x.dtype)], { shape, dtype: x.dtype }, { mode: 'constant' })
}

/** Zeros in the rows and columns that an image [batch, height, width, channels] lacks at its end. */
export function padAfter(graph: Graph, x: Value, height: number, width: number): Value {
  const paddings = [
    [0, 0],
    [0, height - x.shape[1]!],
    [0, width - x.shape[2]!],
    [0, 0],
  ] as const
  return pad(graph, x, paddings, 0)
}

export interface AxisSlice {
  readonly axis: number
  readonly start: number
  /** number of elements that are taken */
  readonly size: number
  /** default 1 */
  readonly step?: number
}

/** Every `step`th element of some axes; a negative step walks backwards from `start`. */
export function slice(graph: Graph, x: Value, axes: readonly AxisSlice[]): Value {
  const changed = axes.filter(({ axis, start, size, step = 1 }) => start !== 0 || size !== x.shape[axis] || step !== 1)
  if (changed.length === 0) return x
  const shape = [...x.shape]
  for (const { axis, size } of changed) shape[axis] = size
  const ends = changed.map(({ start, size, step = 1 }) => {
    const end = start + (size - 1) * step + Math.sign(step)
    return end < 0 ? -(2 ** 31) : end // −1 would count from the end
  })
  const inputs = [
    x,
    graph.int64(...changed.map(({ start }) => start)),
    graph.int64(...ends),
    graph.int64(...changed.map(({ axis }) => axis)),
    graph.int64(...changed.map(({ step = 1 }) => step)),
  ]
  return graph.add('Slice', inputs, { shape, dtype: x.dtype })
}

export function concat(graph: Graph, values: readonly Value[], axis: number): Value {
  const [first] = values as [Value, ...Value[]]
  if (values.length === 1) return first
  const shape = [...first.shape]
  shape[axis] = values.reduce((sum, value) => sum + value.shape[axis]!, 0)
  return graph.add('Concat', values, { shape, dtype: first.dtype }, { axis })
}

/** Reduction over some axes. */
export function reduce(graph: Graph, op: string, x: Value, axes: readonly number[], keepDims: boolean): Value {
  const kept = x.shape.map((n, i) => (axes.includes(i) ? 1 : n))
  const shape = keepDims ? kept : x.shape.filter((_, i) => !axes.includes(i))
  if (axes.length === 0) return x
  const result = graph.add(op, [x, graph.int64(...axes)], { shape: kept, dtype: x.dtype }, { keepdims: 1 })
  return reshape(graph, result, shape)
}

/** [m, k]·[k, n], either of them transposed first. */
export function gemm(graph: Graph, a: Value, b: Value, { transA = 0, transB = 0 } = {}): Value {
  const shape = [a.shape[transA ? 1 : 0]!, b.shape[transB ? 0 : 1]!]
  return graph.add('Gemm', [a, b], { shape, dtype: a.dtype }, { transA, transB })
}
