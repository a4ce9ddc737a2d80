/**
 * @file Gradients of the kernels that the models use. TensorFlow.js' own are not part of the build of tfjs-core that Node loads (the `@tensorflow/tfjs`
 * package adds them, with four packages that nothing here needs), so these are registered instead; TensorFlow.js' autodiff calls them.
 * To differentiate through another kernel, add its entry to the list at the end.
 */

import {
  add,
  broadcast_util,
  div,
  engine,
  type GradConfig,
  matMul,
  mul,
  type NamedAttrMap,
  neg,
  ones,
  pad,
  registerGradient,
  reshape,
  sigmoid,
  slice_util,
  square,
  step,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  util,
} from '@tensorflow/tfjs-core'

type GradientFunction = (dy: Tensor, saved: Tensor[], attributes: NamedAttrMap) => Record<string, () => Tensor>

/** A gradient whose inputs and attributes are those of its kernel; `dy` has the shape of the kernel's one output. */
function gradient(kernelName: string, save: Pick<GradConfig, 'inputsToSave' | 'outputsToSave'>, compute: GradientFunction): GradConfig {
  return { kernelName, ...save, gradFunc: (dy, saved, attributes) => compute(dy as Tensor, saved, attributes) }
}

/**
 * Sums a gradient over the axes along which `input` was broadcast. The result is always a tensor of its own, never `dy`: where gradients accumulate,
 * TensorFlow.js disposes the parts of the sum, and `dy` may be needed elsewhere.
 */
function unbroadcast(dy: Tensor, input: Tensor): Tensor {
  const axes = broadcast_util.getReductionAxes(input.shape, dy.shape)
  return reshape(axes.length > 0 ? sum(dy, axes) : dy, input.shape)
}

const addGradient = gradient('Add', { inputsToSave: ['a', 'b'] }, (dy, [a, b]) => ({
  a: () => unbroadcast(dy, a!),
  b: () => unbroadcast(dy, b!),
}))

const subtractGradient = gradient('Sub', { inputsToSave: ['a', 'b'] }, (dy, [a, b]) => ({
  a: () => unbroadcast(dy, a!),
  b: () => unbroadcast(neg(dy), b!),
}))

const multiplyGradient = gradient('Multiply', { inputsToSave: ['a', 'b'] }, (dy, [a, b]) => ({
  a: () => unbroadcast(mul(dy, b!), a!),
  b: () => unbroadcast(mul(dy, a!), b!),
}))

const divideGradient = gradient('RealDiv', { inputsToSave: ['a', 'b'] }, (dy, [a, b]) => ({
  a: () => unbroadcast(div(dy, b!), a!),
  b: () => unbroadcast(neg(div(mul(dy, a!), square(b!))), b!),
}))

const negativeGradient = gradient('Neg', {}, (dy) => ({ x: () => neg(dy) }))

const squareGradient = gradient('Square', { inputsToSave: ['x'] }, (dy, [x]) => ({ x: () => mul(dy, mul(x!, 2)) }))

const squareRootGradient = gradient('Sqrt', { outputsToSave: [true] }, (dy, [y]) => ({ x: () => div(dy, mul(y!, 2)) }))

const exponentialGradient = gradient('Exp', { outputsToSave: [true] }, (dy, [y]) => ({ x: () => mul(dy, y!) }))

const logarithmGradient = gradient('Log', { inputsToSave: ['x'] }, (dy, [x]) => ({ x: () => div(dy, x!) }))

/** log(1 + x) */
const shiftedLogarithmGradient = gradient('Log1p', { inputsToSave: ['x'] }, (dy, [x]) => ({ x: () => div(dy, add(x!, 1)) }))

const tanhGradient = gradient('Tanh', { outputsToSave: [true] }, (dy, [y]) => ({ x: () => mul(dy, sub(1, square(y!))) }))

const sigmoidGradient = gradient('Sigmoid', { outputsToSave: [true] }, (dy, [y]) => ({ x: () => mul(dy, mul(y!, sub(1, y!))) }))

const softplusGradient = gradient('Softplus', { inputsToSave: ['x'] }, (dy, [x]) => ({ x: () => mul(dy, sigmoid(x!)) }))

const squaredDifferenceGradient = gradient('SquaredDifference', { inputsToSave: ['a', 'b'] }, (dy, [a, b]) => {
  const slope = () => mul(dy, mul(sub(a!, b!), 2))
  return { a: () => unbroadcast(slope(), a!), b: () => unbroadcast(neg(slope()), b!) }
})

const sumGradient = gradient('Sum', { inputsToSave: ['x'] }, (dy, [x], { axis }) => {
  const axes = util.parseAxisParam(axis as number | number[], x!.shape)
  const keptShape = x!.shape.map((size, i) => (axes.includes(i) ? 1 : size))
  return { x: () => mul(reshape(dy, keptShape), ones(x!.shape)) }
})

const reshapeGradient = gradient('Reshape', { inputsToSave: ['x'] }, (dy, [x]) => ({ x: () => reshape(dy, x!.shape) }))

// Read off the result, which the next layer keeps alive anyway.
const reluGradient = gradient('Relu', { outputsToSave: [true] }, (dy, [y]) => ({ x: () => mul(dy, step(y!)) }))

const softmaxGradient = gradient('Softmax', { outputsToSave: [true] }, (dy, [y], { dim }) => ({
  logits: () => {
    const weighted = mul(dy, y!)
    return sub(weighted, mul(sum(weighted, [dim as number], true), y!))
  },
}))

const matMulGradient = gradient('BatchMatMul', { inputsToSave: ['a', 'b'] }, (dy, [a, b], { transposeA, transposeB }) => {
  const [left, right, result] = [a, b, dy] as [Tensor2D, Tensor2D, Tensor2D]
  if (transposeA || transposeB) throw new Error('the gradient of matMul is written for operands that are not transposed')
  return { a: () => matMul(result, right, false, true), b: () => matMul(left, result, true, false) }
})

const conv2dGradient = gradient(
  'Conv2D',
  { inputsToSave: ['x', 'filter'] },
  (dy, [x, filter], { strides, pad, dataFormat, dimRoundingMode }) => {
    const attributes = { strides, pad, dataFormat, dimRoundingMode } as NamedAttrMap
    const run = (kernel: string, inputs: Record<string, Tensor>, shape: NamedAttrMap): Tensor =>
      engine().runKernel(kernel, inputs, { ...attributes, ...shape })
    return {
      x: () => run('Conv2DBackpropInput', { dy, filter: filter! }, { inputShape: x!.shape }),
      filter: () => run('Conv2DBackpropFilter', { x: x!, dy }, { filterShape: filter!.shape }),
    }
  },
)

const maxPoolGradient = gradient(
  'MaxPool',
  { inputsToSave: ['x'], outputsToSave: [true] },
  (dy, [x, y], { filterSize, strides, pad, dimRoundingMode }) => ({
    x: () =>
      engine().runKernel('MaxPoolGrad', { dy, input: x!, output: y! }, { filterSize, strides, pad, dimRoundingMode } as NamedAttrMap),
  }),
)

const sliceGradient = gradient('Slice', { inputsToSave: ['x'] }, (dy, [x], { begin, size }) => {
  const [begins] = slice_util.parseSliceParams(x!, begin as number | number[], size as number | number[])
  return {
    x: () =>
      pad(
        dy,
        x!.shape.map((length, i): [number, number] => [begins![i]!, length - begins![i]! - dy.shape[i]!]),
      ),
  }
})

const gradients = [
  sliceGradient,
  addGradient,
  subtractGradient,
  multiplyGradient,
  divideGradient,
  negativeGradient,
  squareGradient,
  squareRootGradient,
  exponentialGradient,
  logarithmGradient,
  shiftedLogarithmGradient,
  tanhGradient,
  sigmoidGradient,
  softplusGradient,
  squaredDifferenceGradient,
  sumGradient,
  reshapeGradient,
  reluGradient,
  softmaxGradient,
  matMulGradient,
  conv2dGradient,
  maxPoolGradient,
]

/** Makes the gradients known to TensorFlow.js; calling it again changes nothing. */
export function registerKernelGradients(): void {
  for (const config of gradients) registerGradient(config)
}
