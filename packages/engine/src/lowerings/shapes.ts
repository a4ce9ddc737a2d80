import { backend_util, slice_util } from '@tensorflow/tfjs-core'
import { UnsupportedOpError } from '../errors.ts'
import { elementCount } from '../host-tensors.ts'
import type { Graph, Value } from '../graph/graph.ts'
import type { Dtype } from '../program.ts'
import type { Lowerings } from '../trace/lowering.ts'
import { binary, cast, concat, expand, gemm, pad, reshape, slice, transpose, where } from './build.ts'

export const shapeLowerings: Lowerings = {
  Identity: (_graph, { x }) => x!,
  Reshape: (graph, { x }, { shape }: { shape: number[] }) => {
    const known = shape.reduce((product, n) => (n === -1 ? product : product * n), 1)
    const size = elementCount(x!.shape)
    return reshape(
      graph,
      x!,
      shape.map((n) => (n === -1 ? size / known : n)),
    )
  },
  ExpandDims: (graph, { input }, { dim }: { dim: number }) => {
    const shape = [...input!.shape]
    shape.splice(dim < 0 ? dim + shape.length + 1 : dim, 0, 1)
    return reshape(graph, input!, shape)
  },
  Transpose: (graph, { x }, { perm }: { perm: number[] }) => transpose(graph, x!, perm),
  Concat: (graph, inputs, { axis }: { axis: number }) => {
    const values = Object.values(inputs)
    const filled = values.filter((value) => elementCount(value.shape) > 0)
    return concat(graph, filled.length ? filled : values.slice(0, 1), axis < 0 ? axis + values[0]!.shape.length : axis)
  },
  Pack: (graph, inputs, { axis }: { axis: number }) => {
    const parts = Object.values(inputs).map((value) => {
      const at = axis < 0 ? axis + value.shape.length + 1 : axis
      return { at, value: reshape(graph, value, [...value.shape.slice(0, at), 1, ...value.shape.slice(at)]) }
    })
    return concat(
      graph,
      parts.map(({ value }) => value),
      parts[0]!.at,
    )
  },
  Unpack: (graph, { value }, { axis }: { axis: number }) => {
    const at = axis < 0 ? axis + value!.shape.length : axis
    const shape = value!.shape.filter((_, i) => i !== at)
    return Array.from({ length: value!.shape[at]! }, (_, start) =>
      reshape(graph, slice(graph, value!, [{ axis: at, start, size: 1 }]), shape),
    )
  },
  SplitV: (graph, { x }, { numOrSizeSplits, axis }: { numOrSizeSplits: number | number[]; axis: number }) => {
    const along = axis < 0 ? axis + x!.shape.length : axis
    const sizes = backend_util.prepareSplitSize({ shape: [...x!.shape] } as never, numOrSizeSplits, along)
    if (sizes.length === 1) return [x!]
    const outputs = sizes.map((size) => ({ shape: x!.shape.map((n, i) => (i === along ? size : n)), dtype: x!.dtype }))
    return graph.addMany('Split', [x!, graph.int64(...sizes)], outputs, { axis: along })
  },
  Slice: (graph, { x }, { begin, size }: { begin: number | number[]; size: number | number[] }) => {
    const [starts, sizes] = slice_util.parseSliceParams({ shape: x!.shape } as never, begin, size) as [number[], number[]]
    return slice(
      graph,
      x!,
      starts.map((start, axis) => ({ axis, start, size: sizes[axis]! })),
    )
  },
  StridedSlice: (graph, { x }, attrs: StridedSliceAttrs) => {
    const { begin, end, strides, finalShape } = slice_util.sliceInfo(
      [...x!.shape],
      attrs.begin,
      attrs.end,
      attrs.strides,
      attrs.beginMask,
      attrs.endMask,
      attrs.ellipsisMask,
      attrs.newAxisMask,
      attrs.shrinkAxisMask,
    )
    if (elementCount(finalShape) === 0) return graph.fill(0, finalShape, x!.dtype)
    const sizes = slice_util.computeOutShape(begin, end, strides)
    return reshape(
      graph,
      slice(
        graph,
        x!,
        begin.map((start, axis) => ({ axis, start, size: sizes[axis]!, step: strides[axis]! })),
      ),
      finalShape,
    )
  },
  Reverse: (graph, { x }, { dims }: { dims: number | number[] }) => {
    const axes = [dims].flat().map((axis) => (axis < 0 ? axis + x!.shape.length : axis))
    return slice(
      graph,
      x!,
      axes.map((axis) => ({ axis, start: x!.shape[axis]! - 1, size: x!.shape[axis]!, step: -1 })),
    )
  },
  PadV2: (graph, { x }, { paddings, constantValue }: { paddings: [number, number][]; constantValue: number }) =>
    pad(graph, x!, paddings, constantValue),
  Tile: (graph, { x }, { reps }: { reps: number[] }) => {
    const shape = x!.shape.map((n, i) => n * reps[i]!)
    return graph.add('Tile', [x!, graph.int64(...reps)], { shape, dtype: x!.dtype })
  },
  BroadcastTo: (graph, { x }, { shape }: { shape: number[] }) => expand(graph, x!, shape),

  Fill: (graph, _inputs, { shape, value, dtype }: { shape: number[]; value: number; dtype?: Dtype }) =>
    graph.fill(value, shape, dtype ?? 'float32'),
  ZerosLike: (graph, { x }) => graph.fill(0, x!.shape, x!.dtype),
  OnesLike: (graph, { x }) => graph.fill(1, x!.shape, x!.dtype),
  Range: (graph, _inputs, { start, stop, step, dtype }: { start: number; stop: number; step: number; dtype: Dtype }) => {
    const length = Math.max(0, Math.ceil((stop - start) / step))
    const values = Array.from({ length }, (_, i) => start + i * step)
    return graph.constant(dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values), [length], dtype)
  },
  LinSpace: (graph, _inputs, { start, stop, num }: { start: number; stop: number; num: number }) => {
    const step = num > 1 ? (stop - start) / (num - 1) : 0
    return graph.constant(
      Float32Array.from({ length: num }, (_, i) => start + i * step),
      [num],
      'float32',
    )
  },

  GatherV2: (graph, { x, indices }, { axis, batchDims }: { axis: number; batchDims: number }) => {
    if (batchDims) throw new UnsupportedOpError('GatherV2', `batchDims ${batchDims}`)
    const along = axis < 0 ? axis + x!.shape.length : axis
    const shape = [...x!.shape.slice(0, along), ...indices!.shape, ...x!.shape.slice(along + 1)]
    return graph.add('Gather', [x!, indices!], { shape, dtype: x!.dtype }, { axis: along })
  },
  OneHot: (graph, { indices }, { depth, onValue, offValue, dtype }: { depth: number; onValue: number; offValue: number; dtype: Dtype }) =>
    where(graph, isIndex(graph, indices!, depth), graph.fill(onValue, [], dtype), graph.fill(offValue, [], dtype)),
  UnsortedSegmentSum: (graph, { x, segmentIds }, { numSegments }: { numSegments: number }) => {
    // Σ of the rows of a segment = indicatorsᵀ·rows
    const rank = segmentIds!.shape.length
    const count = elementCount(segmentIds!.shape)
    const rest = x!.shape.slice(rank)
    const rows = reshape(graph, cast(graph, x!, 'float32'), [count, elementCount(rest)])
    const indicators = cast(graph, isIndex(graph, reshape(graph, segmentIds!, [count]), numSegments), 'float32')
    return reshape(graph, gemm(graph, indicators, rows, { transA: 1 }), [numSegments, ...rest])
  },
}

interface StridedSliceAttrs {
  readonly begin: number[]
  readonly end: number[]
  readonly strides: number[]
  readonly beginMask: number
  readonly endMask: number
  readonly ellipsisMask: number
  readonly newAxisMask: number
  readonly shrinkAxisMask: number
}

/** [..., n] of whether an index is 0, 1, …, n − 1; all false for one outside. */
function isIndex(graph: Graph, indices: Value, n: number): Value {
  const range = graph.constant(
    Int32Array.from({ length: n }, (_, i) => i),
    [n],
    'int32',
  )
  return binary(graph, 'Equal', reshape(graph, cast(graph, indices, 'int32'), [...indices.shape, 1]), range, 'bool')
}
