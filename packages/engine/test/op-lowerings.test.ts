import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { expectClose, float, functionOf, numbers, runOn } from './compare-devices.ts'

type Inputs = Record<string, tf.Tensor>

/** Every op at least once, with broadcasting and axes where it has them; all are compiled into one graph. */
const cases: Record<string, (inputs: Inputs) => tf.Tensor | tf.Tensor[]> = {
  Abs: ({ x }) => tf.abs(x!),
  Acos: ({ unit }) => tf.acos(unit!),
  Acosh: ({ positive }) => tf.acosh(tf.add(positive!, 1)),
  Asin: ({ unit }) => tf.asin(unit!),
  Asinh: ({ x }) => tf.asinh(x!),
  Atan: ({ x }) => tf.atan(x!),
  Atanh: ({ unit }) => tf.atanh(unit!),
  Ceil: ({ x }) => tf.ceil(x!),
  Cos: ({ x }) => tf.cos(x!),
  Cosh: ({ x }) => tf.cosh(x!),
  Elu: ({ x }) => tf.elu(x!),
  Erf: ({ x }) => tf.erf(x!),
  Exp: ({ x }) => tf.exp(x!),
  Expm1: ({ x }) => tf.expm1(x!),
  'Expm1 of small numbers': ({ x }) => tf.expm1(tf.mul(x!, 1e-6)),
  Floor: ({ x }) => tf.floor(x!),
  IsNan: ({ x }) => tf.isNaN(tf.log(x!)),
  LeakyRelu: ({ x }) => tf.leakyRelu(x!, 0.3),
  Log: ({ positive }) => tf.log(positive!),
  Log1p: ({ positive }) => tf.log1p(positive!),
  'Log1p of small numbers': ({ x }) => tf.log1p(tf.mul(x!, 1e-6)),
  Neg: ({ x }) => tf.neg(x!),
  Prelu: ({ x, row }) => tf.prelu(x!, row!),
  Reciprocal: ({ positive }) => tf.reciprocal(positive!),
  Relu: ({ x }) => tf.relu(x!),
  Relu6: ({ x }) => tf.relu6(tf.mul(x!, 5)),
  Round: ({ x }) => tf.round(x!),
  Rsqrt: ({ positive }) => tf.rsqrt(positive!),
  Selu: ({ x }) => tf.selu(x!),
  Sigmoid: ({ x }) => tf.sigmoid(x!),
  Sign: ({ x }) => tf.sign(x!),
  Sin: ({ x }) => tf.sin(x!),
  Sinh: ({ x }) => tf.sinh(x!),
  Softplus: ({ x }) => tf.softplus(x!),
  Sqrt: ({ positive }) => tf.sqrt(positive!),
  Square: ({ x }) => tf.square(x!),
  Step: ({ x }) => tf.step(x!),
  'Step with a slope': ({ x }) => tf.step(x!, 0.25),
  Tan: ({ unit }) => tf.tan(unit!),
  Tanh: ({ x }) => tf.tanh(x!),
  ClipByValue: ({ x }) => tf.clipByValue(x!, -0.5, 1),
  EluGrad: ({ x, row }) => tf.engine().runKernel('EluGrad', { dy: x!, y: tf.elu(tf.add(x!, row!)) }) as tf.Tensor,

  'Add of a row': ({ x, row }) => tf.add(x!, row!),
  'Add of a column': ({ column, row }) => tf.add(column!, row!),
  'Add of 0': ({ x }) => tf.add(x!, 0),
  'Add of two uniform tensors': () => tf.add(tf.fill([2, 3], 2), tf.fill([2, 3], 3)),
  'Add of two uniform tensors of another shape': () => tf.add(tf.fill([4], 2), tf.fill([4], 3)),
  'Add of a uniform row and a uniform column': () => tf.add(tf.fill([1, 3], 2), tf.fill([2, 1], 3)),
  'Add of a uniform tensor and a row': ({ row }) => tf.add(tf.fill([2, 6], 2), row!),
  'Sum of the squares of a uniform tensor': () => tf.sum(tf.square(tf.fill([2, 3], 2))),
  'Add of integers': ({ ids }) => tf.add(ids!, ids!),
  AddN: ({ x }) => tf.addN([x!, x!, tf.abs(x!)]),
  Sub: ({ x, column }) => tf.sub(x!, column!),
  Multiply: ({ x, row }) => tf.mul(row!, x!),
  'Multiply by 1': ({ x }) => tf.mul(x!, tf.ones([4, 6])),
  'Multiply by broadcast ones': ({ row }) => tf.mul(row!, tf.ones([4, 6])),
  RealDiv: ({ x, positive }) => tf.div(x!, positive!),
  FloorDiv: ({ x, positive }) => tf.floorDiv(tf.mul(x!, 4), positive!),
  'FloorDiv of integers': ({ ids }) => tf.div(tf.sub(ids!, tf.scalar(3, 'int32')), tf.scalar(-2, 'int32')),
  Maximum: ({ x, row }) => tf.maximum(x!, row!),
  Minimum: ({ x, row }) => tf.minimum(x!, row!),
  Pow: ({ positive, row }) => tf.pow(positive!, row!),
  SquaredDifference: ({ x, row }) => tf.squaredDifference(x!, row!),

  Equal: ({ ids }) => tf.equal(ids!, tf.scalar(1, 'int32')),
  'Equal of booleans': ({ flags, x }) => tf.equal(flags!, tf.greater(x!, 0)),
  NotEqual: ({ x, row }) => tf.notEqual(x!, row!),
  Greater: ({ x, row }) => tf.greater(x!, row!),
  GreaterEqual: ({ x }) => tf.greaterEqual(x!, 0),
  Less: ({ x, row }) => tf.less(x!, row!),
  LessEqual: ({ x }) => tf.lessEqual(x!, 0),
  LogicalAnd: ({ flags, x }) => tf.logicalAnd(flags!, tf.greater(x!, 0)),
  LogicalOr: ({ flags, x }) => tf.logicalOr(flags!, tf.greater(x!, 0)),
  LogicalXor: ({ flags, x }) => tf.logicalXor(flags!, tf.greater(x!, 0)),
  LogicalNot: ({ flags }) => tf.logicalNot(flags!),
  Select: ({ flags, x }) => tf.where(flags!, x!, tf.neg(x!)),
  'Select of rows': ({ column, x }) => tf.where(tf.greater(column!, 0), x!, tf.zeros([4, 6])),
  'Select of booleans': ({ flags, x }) => tf.where(flags!, tf.greater(x!, 0), tf.less(x!, 1)),
  'Select of integers': ({ ids }) => tf.where(tf.equal(ids!, ids!), ids!, tf.zerosLike(ids!)),
  'Cast to integers': ({ x }) => tf.cast(x!, 'int32'),
  'Cast of booleans': ({ flags }) => tf.cast(flags!, 'float32'),
  'Cast to booleans': ({ x }) => tf.cast(x!, 'bool'),

  Sum: ({ x }) => tf.sum(x!),
  'Sum of a scalar': ({ x }) => tf.sum(tf.sum(x!)),
  'Sum along an axis': ({ cube }) => tf.sum(cube!, 1),
  'Sum of squares': ({ cube }) => tf.sum(tf.square(cube!), [0, 2], true),
  'Sum of the square of a scalar': ({ x }) => tf.sum(tf.square(tf.sum(x!))),
  'Sum of squares along no axis': ({ x }) => tf.sum(tf.square(x!), []),
  'Sum of booleans': ({ flags }) => tf.sum(flags!, -1),
  Mean: ({ cube }) => tf.mean(cube!, [0, 2], true),
  'Mean of integers': ({ ids }) => tf.mean(ids!),
  Prod: ({ x }) => tf.prod(x!, 1),
  Max: ({ cube }) => tf.max(cube!, [1, 2]),
  Min: ({ cube }) => tf.min(cube!, 0, true),
  All: ({ flags }) => tf.all(flags!, 0),
  Any: ({ flags }) => tf.any(flags!, 1, true),
  ArgMax: ({ cube }) => tf.argMax(cube!, 2),
  'ArgMax of ties': ({ flags }) => tf.argMax(tf.cast(flags!, 'int32'), 1),
  ArgMin: ({ cube }) => tf.argMin(cube!, 1),
  Softmax: ({ cube }) => tf.softmax(cube!),
  LogSoftmax: ({ x }) => tf.logSoftmax(x!),
  Cumsum: ({ cube }) => tf.cumsum(cube!, 1),
  'Cumsum, exclusive and reversed': ({ x }) => tf.cumsum(x!, 1, true, true),

  MatMul: ({ x, y }) => tf.matMul(x!, y!),
  'MatMul, transposed': ({ x, y }) => tf.matMul(x!, y!, true, true),
  'MatMul of batches': ({ cube }) => tf.matMul(cube!, cube!, false, true),
  'MatMul of a batch and a matrix': ({ cube, y }) => tf.matMul(tf.slice(cube!, [0, 0, 0], [2, 3, 4]), tf.slice(y!, [0, 0], [4, 3])),

  Reshape: ({ cube }) => tf.reshape(cube!, [3, -1]),
  ExpandDims: ({ x }) => tf.expandDims(x!, 1),
  Transpose: ({ cube }) => tf.transpose(cube!, [2, 0, 1]),
  Concat: ({ x, y }) => tf.concat([x!, tf.transpose(y!)], 0),
  'Concat with an empty one': ({ x }) => tf.concat([x!, tf.zeros([4, 0])], -1),
  Pack: ({ x }) => tf.stack([x!, tf.neg(x!)], 1),
  Unpack: ({ cube }) => tf.unstack(cube!, 1),
  SplitV: ({ x }) => tf.split(x!, [1, 3, 2], 1),
  'SplitV into equal parts': ({ x }) => tf.split(x!, 3, -1),
  Slice: ({ cube }) => tf.slice(cube!, [0, 1, 2], [2, -1, 2]),
  StridedSlice: ({ cube }) => tf.stridedSlice(cube!, [0, 0, 1], [2, 3, 5], [1, 2, 2]),
  'StridedSlice backwards': ({ cube }) => tf.stridedSlice(cube!, [1, 2, 4], [0, -4, 1], [-1, -1, -2]),
  'StridedSlice of one row': ({ cube }) => tf.stridedSlice(cube!, [0, 1], [2, 2], [1, 1], 0, 0, 0, 0, 2),
  Reverse: ({ cube }) => tf.reverse(cube!, [0, -1]),
  PadV2: ({ cube }) =>
    tf.pad(
      cube!,
      [
        [1, 0],
        [0, 2],
        [1, 1],
      ],
      7,
    ),
  Tile: ({ x }) => tf.tile(x!, [2, 3]),
  BroadcastTo: ({ row }) => tf.broadcastTo(row!, [3, 4, 6]),
  Fill: () => tf.fill([2, 3], 2.5),
  ZerosLike: ({ flags }) => tf.zerosLike(flags!),
  OnesLike: ({ ids }) => tf.onesLike(ids!),
  Range: () => tf.range(7, -3, -2, 'int32'),
  LinSpace: () => tf.linspace(-1, 2, 7),
  GatherV2: ({ cube, ids }) => tf.gather(cube!, ids!, 1),
  OneHot: ({ ids }) => tf.oneHot(tf.sub(ids!, tf.scalar(1, 'int32')) as tf.Tensor1D, 4, 0.9, -0.1),
  UnsortedSegmentSum: ({ cube, ids }) =>
    tf.unsortedSegmentSum(tf.tile(tf.slice(cube!, [0, 0, 0], [1, 3, 5]), [2, 1, 1]), tf.slice(ids!, 0, 2) as tf.Tensor1D, 3),
  'Constants made in the program': ({ row }) => tf.add(row!, tf.tensor([1, 2, 3, 4, 5, 6])),
  'Exp of integers': ({ ids }) => tf.exp(ids!),
  'Exp of booleans': ({ flags }) => tf.exp(flags!),
  'Step of integers': ({ ids }) => tf.step(tf.sub(ids!, tf.scalar(1, 'int32'))),
  'Step of integers with a slope': ({ ids }) => tf.step(tf.sub(ids!, tf.scalar(1, 'int32')), 2.5),
  'Round of integers': ({ ids }) => tf.round(ids!),
  'IsNan of integers': ({ ids }) => tf.isNaN(ids!),
  'LeakyRelu of integers': ({ ids }) => tf.leakyRelu(tf.neg(ids!), 0.3),
  'MatMul of integers': ({ table }) => tf.matMul(table!, table!, false, true),
  'MatMul of integers, transposed': ({ table }) => tf.matMul(table!, table!, true, false),
  'Greater of booleans': ({ flags, x }) => tf.greater(flags!, tf.greater(x!, 0)),
  'GreaterEqual of booleans': ({ flags, x }) => tf.greaterEqual(flags!, tf.greater(x!, 0)),
  'Less of booleans': ({ flags, x }) => tf.less(flags!, tf.greater(x!, 0)),
  'LessEqual of booleans': ({ flags, x }) => tf.lessEqual(flags!, tf.greater(x!, 0)),
  'Max of booleans': ({ flags }) => tf.max(flags!, 1),
  'Min of booleans': ({ flags }) => tf.min(flags!, 0),
  'ArgMax of booleans': ({ flags }) => tf.argMax(flags!, 1),
  'ArgMin of booleans': ({ flags }) => tf.argMin(flags!, 1),
  'Cumsum of booleans': ({ flags }) => tf.cumsum(flags!, 1),
  'UnsortedSegmentSum of integers': ({ ids }) => tf.unsortedSegmentSum(ids!, tf.tensor1d([0, 1, 1, 0, 2], 'int32'), 3),
  'MaxPool of negative integers, padded': ({ table }) =>
    tf.maxPool(tf.reshape(tf.sub(table!, tf.scalar(9, 'int32')), [1, 2, 3, 1]) as tf.Tensor4D, 2, 1, 'same'),
  'An input as it is': ({ row }) => row!,
}

const inputSpecs = {
  x: float(4, 6),
  y: float(6, 4),
  row: float(6),
  column: float(4, 1),
  cube: float(2, 3, 5),
  unit: float(3, 5),
  positive: float(4, 6),
  ids: { shape: [5], dtype: 'int32' as const },
  flags: { shape: [4, 6], dtype: 'bool' as const },
  table: { shape: [2, 3], dtype: 'int32' as const },
}

const inputs = {
  x: numbers(24, { size: 4 }),
  y: numbers(24, { phase: 3 }),
  row: numbers(6, { phase: 40 }),
  column: numbers(4, { phase: 9 }),
  cube: numbers(30, { phase: 2 }),
  unit: numbers(15, { size: 0.9 }),
  positive: numbers(24, { size: 3 }).map((x) => Math.abs(x) + 0.1),
  ids: Int32Array.of(0, 2, 1, 1, 0),
  table: Int32Array.of(7, -5, 2, 0, 3, 4),
  flags: Uint8Array.from({ length: 24 }, (_, i) => Number(i % 3 === 1 || i > 18)),
}

const program = functionOf(inputSpecs, (tensors) => {
  const outputs: tf.NamedTensorMap = {}
  for (const [name, f] of Object.entries(cases)) [f(tensors)].flat().forEach((tensor, i) => (outputs[`${name} ${i}`] = tensor))
  return outputs
})

describe('a lowering computes what the reference computes', () => {
  let reference: Awaited<ReturnType<typeof runOn>>
  let compiled: Awaited<ReturnType<typeof runOn>>

  beforeAll(async () => {
    reference = await runOn('reference', program, inputs)
    compiled = await runOn('cpu', program, inputs)
  })

  test.each(Object.keys(cases))('%s', (name) => {
    const results = Object.keys(reference.outputs).filter((output) => output.startsWith(`${name} `) && cases[output.replace(/ \d+$/, '')])
    expect(results.length).toBeGreaterThan(0)
    for (const result of results) {
      expect(compiled.specs[result]).toEqual(reference.specs[result])
      expectClose(compiled.outputs[result], reference.outputs[result], 1e-5)
    }
  })
})
