import { backend_util } from '@tensorflow/tfjs-core'
import type { Graph, Value } from '../graph/graph.ts'
import type { Lowerings } from '../trace/lowering.ts'
import { gemm, reshape, transpose } from './build.ts'

export const matmulLowerings: Lowerings = {
  BatchMatMul: (graph, { a, b }, { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean }) =>
    matMul(graph, a!, b!, transposeA, transposeB),
}

function matMul(graph: Graph, a: Value, b: Value, transposeA: boolean, transposeB: boolean): Value {
  const [rows, columns] = [a.shape.at(transposeA ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!]
  const batch = backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2))
  const shape = [...batch, rows, columns]
  // Gemm is for floats only
  if (a.dtype === 'float32' && batch.every((n) => n === 1)) {
    const matrix = (x: Value) => reshape(graph, x, x.shape.slice(-2))
    return reshape(graph, gemm(graph, matrix(a), matrix(b), { transA: Number(transposeA), transB: Number(transposeB) }), shape)
  }
  const operands = [transposeA ? swapLast(graph, a) : a, transposeB ? swapLast(graph, b) : b]
  return graph.add('MatMul', operands, { shape, dtype: a.dtype })
}

function swapLast(graph: Graph, x: Value): Value {
  const rank = x.shape.length
  return transpose(
    graph,
    x,
    x.shape.map((_, i) => (i < rank - 2 ? i : i === rank - 2 ? rank - 1 : rank - 2)),
  )
}
