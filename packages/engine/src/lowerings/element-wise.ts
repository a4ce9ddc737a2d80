import { backend_util } from '@tensorflow/tfjs-core'
import { UnsupportedOpError } from '../errors.ts'
import type { Graph, Value, ValueDtype } from '../graph/graph.ts'
import type { Lowering, Lowerings } from '../trace/lowering.ts'
import { sameShape } from '../host-tensors.ts'
import { crop, withoutZeroBorder } from './borders.ts'
import { asNumber, padAfter, where } from './build.ts'
import { binary, cast, unary } from './channel-blocks.ts'
import { addBias, rectify } from './convolution.ts'

/** Kernels that are one ONNX operator on one tensor `x`. */
const unaryOps = {
  Abs: 'Abs',
  Acos: 'Acos',
  Acosh: 'Acosh',
  Asin: 'Asin',
  Asinh: 'Asinh',
  Atan: 'Atan',
  Atanh: 'Atanh',
  Cos: 'Cos',
  Cosh: 'Cosh',
  Erf: 'Erf',
  Log: 'Log',
  Neg: 'Neg',
  Reciprocal: 'Reciprocal',
  Sigmoid: 'Sigmoid',
  Sign: 'Sign',
  Sin: 'Sin',
  Sinh: 'Sinh',
  Softplus: 'Softplus',
  Sqrt: 'Sqrt',
  Tan: 'Tan',
  Tanh: 'Tanh',
} as const

/** Kernels that leave integers as they are. */
const roundings = { Ceil: 'Ceil', Floor: 'Floor', Round: 'Round' } as const

/** ONNX has no order of booleans: false < true, as 0 < 1. */
const orders = {
  Greater: 'Greater',
  GreaterEqual: 'GreaterOrEqual',
  Less: 'Less',
  LessEqual: 'LessOrEqual',
} as const

const comparisons = {
  Equal: 'Equal',
  LogicalAnd: 'And',
  LogicalOr: 'Or',
  LogicalXor: 'Xor',
} as const

export const elementWiseLowerings: Lowerings = {
  ...mapValues(
    unaryOps,
    (op): Lowering =>
      (graph, { x }) =>
        unary(graph, op, x!),
  ),
  ...mapValues(
    roundings,
    (op): Lowering =>
      (graph, { x }) =>
        x!.dtype === 'int32' ? x! : unary(graph, op, x!),
  ),
  ...mapValues(
    orders,
    (op): Lowering =>
      (graph, { a, b }) =>
        binary(graph, op, asNumber(graph, a!), asNumber(graph, b!), 'bool'),
  ),
  ...mapValues(
    comparisons,
    (op): Lowering =>
      (graph, { a, b }) =>
        binary(graph, op, a!, b!, 'bool'),
  ),
  Add: (graph, { a, b }) => (isFill(a!, 0) && fits(b!, a!) ? b! : isFill(b!, 0) && fits(a!, b!) ? a! : add(graph, a!, b!)),
  Sub: (graph, { a, b }) => (isFill(b!, 0) && fits(a!, b!) ? a! : binary(graph, 'Sub', a!, b!)),
  Multiply: (graph, { a, b }) => multiply(graph, a!, b!),
  RealDiv: (graph, { a, b }) => (isFill(b!, 1) && fits(a!, b!) ? a! : binary(graph, 'Div', a!, b!)),
  FloorDiv: (graph, { a, b }) => floorDiv(graph, a!, b!),
  Maximum: (graph, { a, b }) => cast(graph, binary(graph, 'Max', asNumber(graph, a!), asNumber(graph, b!)), a!.dtype),
  Minimum: (graph, { a, b }) => cast(graph, binary(graph, 'Min', asNumber(graph, a!), asNumber(graph, b!)), a!.dtype),
  Pow: (graph, { a, b }) => binary(graph, 'Pow', a!, b!),
  SquaredDifference: (graph, { a, b }) => square(graph, binary(graph, 'Sub', a!, b!)),
  Square: (graph, { x }) => square(graph, x!),
  AddN: (graph, inputs) => Object.values(inputs).reduce((sum, x) => binary(graph, 'Add', sum, x)),

  Exp: (graph, { x }) => unary(graph, 'Exp', cast(graph, x!, 'float32')),
  Rsqrt: (graph, { x }) => unary(graph, 'Reciprocal', unary(graph, 'Sqrt', x!)),
  Log1p: (graph, { x }) => log1p(graph, x!),
  Expm1: (graph, { x }) => expm1(graph, x!),
  NotEqual: (graph, { a, b }) => unary(graph, 'Not', binary(graph, 'Equal', a!, b!, 'bool')),
  LogicalNot: (graph, { x }) => unary(graph, 'Not', x!),
  IsNan: (graph, { x }) =>
    x!.dtype !== 'float32' ? graph.fill(0, x!.shape, 'bool') : graph.add('IsNaN', [x!], { shape: x!.shape, dtype: 'bool' }),

  Step: (graph, { x }, { alpha }: { alpha: number }) => {
    const positive = binary(graph, 'Greater', x!, graph.fill(0, [], x!.dtype), 'bool')
    const slope = x!.dtype === 'int32' ? Math.trunc(alpha) : alpha
    if (!slope) return cast(graph, positive, x!.dtype)
    return where(graph, positive, graph.fill(1, [], x!.dtype), graph.fill(slope, [], x!.dtype))
  },
  Relu: (graph, { x }) => rectify(graph, x!) ?? unary(graph, 'Relu', x!),
  Relu6: (graph, { x }) => clip(graph, x!, 0, 6),
  Elu: (graph, { x }) => unary(graph, 'Elu', x!),
  Selu: (graph, { x }) =>
    unary(graph, 'Selu', x!, {
      alpha: { float: backend_util.SELU_SCALEALPHA / backend_util.SELU_SCALE },
      gamma: { float: backend_util.SELU_SCALE },
    }),
  EluGrad: (graph, { dy, y }) => {
    const slope = binary(graph, 'Add', y!, graph.fill(1, [], 'float32'))
    return where(graph, isAtLeast(graph, y!, 0), dy!, binary(graph, 'Mul', dy!, slope))
  },
  LeakyRelu: (graph, { x }, { alpha }: { alpha: number }) =>
    unary(graph, 'LeakyRelu', cast(graph, x!, 'float32'), { alpha: { float: alpha } }),
  Prelu: (graph, inputs) => {
    const [x, alpha] = [cast(graph, inputs['x']!, 'float32'), cast(graph, inputs['alpha']!, 'float32')]
    return where(graph, isAtLeast(graph, x, 0), x, binary(graph, 'Mul', x, alpha))
  },
  ClipByValue: (graph, { x }, { clipValueMin, clipValueMax }: { clipValueMin: number; clipValueMax: number }) =>
    clip(graph, x!, clipValueMin, clipValueMax),

  Cast: (graph, { x }, { dtype }: { dtype: string }) => {
    if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool') throw new UnsupportedOpError('Cast', `dtype ${dtype}`)
    return cast(graph, x!, dtype)
  },
  Select: (graph, { condition, t, e }) => where(graph, condition!, t!, e!),
}

function add(graph: Graph, a: Value, b: Value): Value {
  return addBias(graph, a, b) ?? addBias(graph, b, a) ?? binary(graph, 'Add', a, b)
}

function multiply(graph: Graph, a: Value, b: Value): Value {
  if (isFill(b, 1) && fits(a, b)) return a
  if (isFill(a, 1) && fits(b, a)) return b
  return multiplyNonZero(graph, a, b) ?? multiplyNonZero(graph, b, a) ?? binary(graph, 'Mul', a, b)
}

/** A product that is 0 in the last rows and columns because x is: the other factor is not needed there. */
function multiplyNonZero(graph: Graph, x: Value, factor: Value): Value | undefined {
  const part = withoutZeroBorder(x)
  if (!part || (factor.shape.length > 0 && !sameShape(factor.shape, x.shape))) return undefined
  const [, height, width] = part.shape as [number, number, number, number]
  const cropped = factor.shape.length > 0 ? crop(graph, factor, height, width) : factor
  return padAfter(graph, multiply(graph, part, cropped), x.shape[1]!, x.shape[2]!)
}

/** Division rounded towards −∞; its result is an integer for TensorFlow.js, whatever the operands are. */
function floorDiv(graph: Graph, a: Value, b: Value): Value {
  if (a.dtype === 'float32') return cast(graph, unary(graph, 'Floor', binary(graph, 'Div', a, b)), 'int32')
  const quotient = binary(graph, 'Div', a, b)
  // integer division rounds towards 0: one too many where the signs differ and something is left
  const rest = binary(graph, 'Sub', a, binary(graph, 'Mul', quotient, b))
  const zero = graph.fill(0, [], a.dtype)
  const differs = binary(graph, 'Less', binary(graph, 'Mul', unary(graph, 'Sign', rest), unary(graph, 'Sign', b)), zero, 'bool')
  return binary(graph, 'Sub', quotient, cast(graph, differs, a.dtype))
}

function square(graph: Graph, x: Value): Value {
  return binary(graph, 'Mul', x, x)
}

/** log(1 + x), exact for small x (W. Kahan): u = 1 + x loses digits of x, x/(u − 1) gives them back. */
function log1p(graph: Graph, x: Value): Value {
  const one = graph.fill(1, [], 'float32')
  const u = binary(graph, 'Add', x, one)
  const infinite = binary(graph, 'Equal', u, graph.fill(Infinity, [], 'float32'), 'bool')
  const exact = binary(graph, 'Mul', unary(graph, 'Log', u), binary(graph, 'Div', x, binary(graph, 'Sub', u, one)))
  return where(graph, binary(graph, 'Equal', u, one, 'bool'), x, where(graph, infinite, u, exact))
}

/** exp(x) − 1, exact for small x. */
function expm1(graph: Graph, x: Value): Value {
  // tanh keeps its precision near 0: exp(x) − 1 = (exp(x) + 1)·tanh(x/2)
  const half = binary(graph, 'Mul', x, graph.fill(0.5, [], 'float32'))
  const e = unary(graph, 'Exp', x)
  const one = graph.fill(1, [], 'float32')
  const small = binary(graph, 'Mul', binary(graph, 'Add', e, one), unary(graph, 'Tanh', half))
  const isSmall = binary(graph, 'Less', unary(graph, 'Abs', x), one, 'bool')
  return where(graph, isSmall, small, binary(graph, 'Sub', e, one))
}

function clip(graph: Graph, x: Value, min: number, max: number): Value {
  const limits = [graph.fill(min, [], x.dtype), graph.fill(max, [], x.dtype)]
  return graph.add('Clip', [x, ...limits], { shape: x.shape, dtype: x.dtype })
}

function isAtLeast(graph: Graph, x: Value, limit: number): Value {
  return binary(graph, 'GreaterOrEqual', x, graph.fill(limit, [], x.dtype), 'bool' satisfies ValueDtype)
}

function isFill(x: Value, value: number): boolean {
  return x.constant === value
}

/** Whether the result of an operator on `x` and a neutral `other` is `x` as it is. */
function fits(x: Value, other: Value): boolean {
  const shape = backend_util.assertAndGetBroadcastShape([...x.shape], [...other.shape])
  return shape.length === x.shape.length && shape.every((n, i) => n === x.shape[i])
}

function mapValues<T, U>(object: Readonly<Record<string, T>>, f: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, f(value)]))
}
