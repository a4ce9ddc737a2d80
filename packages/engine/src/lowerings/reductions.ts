import { util } from '@tensorflow/tfjs-core'
import type { Graph, Value } from '../graph/graph.ts'
import type { Lowering, Lowerings } from '../trace/lowering.ts'
import { withoutZeroBorder } from './borders.ts'
import { asNumber, cast, reduce, reshape } from './build.ts'
import { sumOfPixels } from './channel-blocks.ts'

interface ReductionAttrs {
  readonly axis: number | number[]
  readonly keepDims: boolean
}

export const reductionLowerings: Lowerings = {
  Sum: (graph, { x }, { axis, keepDims }: ReductionAttrs) => sum(graph, asNumber(graph, x!), axesOf(axis, x!), keepDims),
  Mean: reduction('ReduceMean', (graph, x) => cast(graph, x, 'float32')),
  Prod: reduction('ReduceProd', asNumber),
  Min: (graph, { x }, { axis, keepDims }: ReductionAttrs) => extremum(graph, 'ReduceMin', x!, axesOf(axis, x!), keepDims),
  Max: (graph, { x }, { reductionIndices, keepDims }: { reductionIndices: number | number[]; keepDims: boolean }) =>
    extremum(graph, 'ReduceMax', x!, axesOf(reductionIndices, x!), keepDims),
  All: logicalReduction('ReduceMin'),
  Any: logicalReduction('ReduceMax'),
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
  Softmax: (graph, { logits }, { dim }: { dim: number }) => overAxis(graph, 'Softmax', logits!, dim),
  LogSoftmax: (graph, { logits }, { axis }: { axis: number }) => overAxis(graph, 'LogSoftmax', logits!, axis),
  Cumsum: (graph, { x }, { axis, exclusive, reverse }: { axis: number; exclusive: boolean; reverse: boolean }) => {
    const [along] = axesOf(axis, x!)
    const attributes = { exclusive: Number(exclusive), reverse: Number(reverse) }
    const terms = asNumber(graph, x!)
    return graph.add('CumSum', [terms, graph.fill(along!, [], 'int32')], { shape: terms.shape, dtype: terms.dtype }, attributes)
  },
}

function reduction(op: string, prepare: (graph: Graph, x: Value) => Value): Lowering<ReductionAttrs> {
  return (graph, { x }, { axis, keepDims }) => reduce(graph, op, prepare(graph, x!), axesOf(axis, x!), keepDims)
}

function sum(graph: Graph, x: Value, axes: readonly number[], keepDims: boolean): Value {
  if (axes.length === 0) return x
  const part = axes.includes(1) && axes.includes(2) ? withoutZeroBorder(x) : undefined
  const terms = part ?? x
  const total = axes.join() === '0,1,2' && x.shape.length === 4 ? sumOfPixels(graph, terms) : undefined
  if (total) return reshape(graph, total, keepDims ? [1, 1, 1, x.shape[3]!] : [x.shape[3]!])
  const node = terms.producer
  const isSquare = node?.op === 'Mul' && node.inputs[0] === node.inputs[1]
  return isSquare && x.dtype === 'float32'
    ? reduce(graph, 'ReduceSumSquare', node.inputs[0]!, axes, keepDims)
    : reduce(graph, 'ReduceSum', terms, axes, keepDims)
}

/** Minimum or maximum, of the dtype of x. */
function extremum(graph: Graph, op: string, x: Value, axes: readonly number[], keepDims: boolean): Value {
  return cast(graph, reduce(graph, op, asNumber(graph, x), axes, keepDims), x.dtype)
}

function logicalReduction(op: string): Lowering<ReductionAttrs> {
  return (graph, { x }, { axis, keepDims }) => extremum(graph, op, x!, axesOf(axis, x!), keepDims)
}

/** TensorFlow.js takes the first of equal elements, as ONNX does. */
function argument(op: string): Lowering<{ axis: number }> {
  return (graph, { x }, { axis }) => {
    const [along] = axesOf(axis, x!)
    const shape = x!.shape.filter((_, i) => i !== along)
    return cast(graph, graph.add(op, [asNumber(graph, x!)], { shape, dtype: 'int64' }, { axis: along!, keepdims: 0 }), 'int32')
  }
}

function overAxis(graph: Graph, op: string, x: Value, axis: number): Value {
  const [along] = axesOf(axis, x)
  return graph.add(op, [cast(graph, x, 'float32')], { shape: x.shape, dtype: 'float32' }, { axis: along! })
}

function axesOf(axis: number | number[], x: Value): number[] {
  return util.parseAxisParam(axis, [...x.shape])
}
