import { expect, test } from 'vitest'
import { constantData, Graph, reachableNodes } from './graph.ts'

const spec = { shape: [2, 3], dtype: 'float32' as const }

test('equal subexpressions become one node', () => {
  const graph = new Graph()
  const [x, y] = [graph.input(spec), graph.input(spec)]
  const sum = graph.add('Add', [x, y], spec)
  expect(graph.add('Add', [x, y], spec)).toBe(sum)
  expect(graph.add('Add', [y, x], spec)).not.toBe(sum)
  expect(graph.add('Concat', [x, y], spec, { axis: 0 })).not.toBe(graph.add('Concat', [x, y], spec, { axis: 1 }))
  expect(graph.nodes).toHaveLength(4)
})

test('nodes that differ in the shape of their result, or in a number that JSON does not know, are not equal', () => {
  const graph = new Graph()
  const x = graph.input(spec)
  expect(graph.add('Add', [x, x], spec)).not.toBe(graph.add('Add', [x, x], { ...spec, shape: [6] }))
  const slopes = [NaN, Infinity, -Infinity, 0, -0].map((float) => graph.add('LeakyRelu', [x], spec, { alpha: { float } }))
  expect(new Set(slopes).size).toBe(5)
})

test('constants are one value if type, shape and every bit are equal', () => {
  const graph = new Graph()
  const numbers = graph.constant(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3], 'float32')
  expect(graph.constant(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3], 'float32')).toBe(numbers)
  expect(graph.constant(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2], 'float32')).not.toBe(numbers)
  expect(graph.constant(Int32Array.of(1, 2, 3, 4, 5, 6), [2, 3], 'int32')).not.toBe(numbers)
  expect(graph.fill(0, [2], 'float32')).not.toBe(graph.fill(-0, [2], 'float32'))
  const long = () => Float32Array.from({ length: 1000 }, (_, i) => i)
  expect(graph.constant(long(), [1000], 'float32')).toBe(graph.constant(long(), [1000], 'float32'))
  expect(graph.constant(long().fill(7, 999), [1000], 'float32')).not.toBe(graph.constant(long(), [1000], 'float32'))
})

test('a tensor with one number everywhere is kept as that number', () => {
  const graph = new Graph()
  const ones = graph.constant(new Float32Array(6).fill(1), [2, 3], 'float32')
  expect(ones.constant).toBe(1)
  expect(graph.fill(1, [2, 3], 'float32')).toBe(ones)
  expect(constantData(ones)).toEqual(new Float32Array(6).fill(1))
  expect(constantData(graph.fill(1, [3], 'bool'))).toEqual(Uint8Array.of(1, 1, 1))
})

test('only nodes that a result needs are left, in their order', () => {
  const graph = new Graph()
  const x = graph.input(spec)
  const used = graph.add('Exp', [x], spec)
  graph.add('Log', [x], spec)
  const result = graph.add('Neg', [used], spec)
  expect(reachableNodes(graph, [result]).map(({ op }) => op)).toEqual(['Exp', 'Neg'])
})
