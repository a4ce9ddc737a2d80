import { util } from '@tensorflow/tfjs-core'
import type { Graph, Value } from '../graph/graph.ts'
import type { Lowering, Lowerings } from '../trace/lowering.ts'
import { withoutZeroBorder } from './borders.ts'
import { cast, reduce } from './build.ts'

interface ReductionAttrs {
  readonly axis: number | number[]
  readonly keepDims: boolean
}

export const reductionLowerings: Lowerings = {
  Sum: (graph, { x }, { axis, keepDims }: ReductionAttrs) => sum(graph, asNumber(graph, x!), axesOf(axis, x!), keepDims),
  Mean: reduction('ReduceMean', (graph, x) => cast(graph, x, 'float32')),
  Prod: reduction('ReduceProd', asNumber),
  Min: reduction('ReduceMin'),
  Max: (graph, { x }, { reductionIndices, keepDims }: { reductionIndices: number | number[]; keepDims: boolean }) =>
    reduce(graph, 'ReduceMax', x!, axesOf(reductionIndices, x!), keepDims),
  All: logicalReduction('ReduceMin'),
  Any: logicalReduction('ReduceMax'),
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
  Softmax: (graph, { logits }, { dim }: { dim: number }) => overAxis(graph, 'Softmax', logits!, dim),
  LogSoftmax: (graph, { logits }, { axis }: { axis: number }) => overAxis(graph, 'LogSoftmax', logits!, axis),
  Cumsum: (graph, { x }, { axis, exclusive, reverse }: { axis: number; exclusive: boolean; reverse: boolean }) => {
    const [along] = axesOf(axis, x!)
    const attributes = { exclusive: Number(exclusive), reverse: Number(reverse) }
    return graph.add('CumSum', [x!, graph.fill(along!, [], 'int32')], { shape: x!.shape, dtype: x!.dtype }, attributes)
  },
}

function reduction(op: string, prepare: (graph: Graph, x: Value) => Value = (_, x) => x): Lowering<ReductionAttrs> {
  return (graph, { x }, { axis, keepDims }) => reduce(graph, op, prepare(graph, x!), axesOf(axis, x!), keepDims)
}

function sum(graph: Graph, x: Value, axes: readonly number[], keepDims: boolean): Value {
  if (axes.length === 0) return x
  const part = axes.includes(1) && axes.includes(2) ? withoutZeroBorder(x) : undefined
  const terms = part ?? x
  const node = terms.producer
  const isSquare = node?.op === 'Mul' && node.inputs[0] === node.inputs[1]
  return isSquare && x.dtype === 'float32'
    ? reduce(graph, 'ReduceSumSquare', node.inputs[0]!, axes, keepDims)
    : reduce(graph, 'ReduceSum', terms, axes, keepDims)
}

function logicalReduction(op: string): Lowering<ReductionAttrs> {
  return (graph, { x }, { axis, keepDims }) => cast(graph, reduce(graph, op, cast(graph, x!, 'int32'), axesOf(axis, x!), keepDims), 'bool')
}

/** TensorFlow.js takes the first of equal elements, as ONNX does. */
function argument(op: string): Lowering<{ axis: number }> {
  return (graph, { x }, { axis }) => {
    const [along] = axesOf(axis, x!)
    const shape = x!.shape.filter((_, i) => i !== along)
    return cast(graph, graph.add(op, [x!], { shape, dtype: 'int64' }, { axis: along!, keepdims: 0 }), 'int32')
  }
}

function overAxis(graph: Graph, op: string, x: Value, axis: number): Value {
  const [along] = axesOf(axis, x)
  return graph.add(op, [x], { shape: x.shape, dtype: 'float32' }, { axis: along! })
}

function asNumber(graph: Graph, x: Value): Value {
  return x.dtype === 'bool' ? cast(graph, x, 'int32') : x
}

function axesOf(axis: number | number[], x: Value): number[] {
  return util.parseAxisParam(axis, [...x.shape])
}
