import { expect, test } from 'vitest'
import { UnsupportedOpError } from '../errors.ts'
import { Graph, type ValueDtype } from '../graph/graph.ts'
import { serializeGraph } from './serialize-graph.ts'
import { createSession } from './session.ts'

function modelOf(op: string, dtype: ValueDtype): Uint8Array {
  const graph = new Graph()
  const spec = { shape: [2, 2], dtype }
  const x = graph.input(spec)
  const inputs = op === 'Gemm' ? [x, x] : [x]
  return serializeGraph(graph, new Map([['x', x]]), new Map([['y', graph.add(op, inputs, spec)]]))
}

test.each([
  ['Exp', 'bool'],
  ['Gemm', 'int32'],
] as const)('%s of %s, which ONNX Runtime does not have, is an error that names the operator', async (op, dtype) => {
  const session = createSession(modelOf(op, dtype), 1)
  await expect(session).rejects.toThrow(UnsupportedOpError)
  await expect(session).rejects.toMatchObject({ op, message: expect.not.stringContaining('ONNX Runtime') })
})
