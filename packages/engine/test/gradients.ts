import * as tf from '@tensorflow/tfjs-core'

/**
 * Gradients of the kernels that these tests differentiate through. TensorFlow.js' own are not in the build of tfjs-core that Node loads, and what is
 * tested is that its autodiff runs on symbolic tensors.
 */
export function registerTestGradients(): void {
  for (const [kernelName, config] of Object.entries(gradients)) tf.registerGradient({ kernelName, ...config })
}

type Gradient = Omit<tf.GradConfig, 'kernelName'>

function sumLike(dy: tf.Tensor, x: tf.Tensor): tf.Tensor {
  return tf.reshape(tf.sum(dy, tf.broadcast_util.getReductionAxes(x.shape, dy.shape)), x.shape)
}

const run = (kernel: string, inputs: tf.NamedTensorMap, attrs: object) =>
  tf.engine().runKernel(kernel, inputs, attrs as tf.NamedAttrMap) as tf.Tensor

function gradient(
  save: Pick<Gradient, 'inputsToSave' | 'outputsToSave'>,
  f: (dy: tf.Tensor, saved: tf.Tensor[], attrs: never) => Record<string, () => tf.Tensor>,
): Gradient {
  return { ...save, gradFunc: (dy, saved, attrs) => f(dy as tf.Tensor, saved, attrs as never) }
}

const operands = { inputsToSave: ['a', 'b'] }

const gradients: Record<string, Gradient> = {
  Add: gradient(operands, (dy, [a, b]) => ({ a: () => sumLike(dy, a!), b: () => sumLike(dy, b!) })),
  Multiply: gradient(operands, (dy, [a, b]) => ({ a: () => sumLike(tf.mul(dy, b!), a!), b: () => sumLike(tf.mul(dy, a!), b!) })),
  SquaredDifference: gradient(operands, (dy, [a, b]) => {
    const slope = () => tf.mul(dy, tf.mul(tf.sub(a!, b!), 2))
    return { a: () => sumLike(slope(), a!), b: () => sumLike(tf.neg(slope()), b!) }
  }),
  BatchMatMul: gradient(operands, (dy, [a, b]) => ({
    a: () => tf.matMul(dy as tf.Tensor2D, b as tf.Tensor2D, false, true),
    b: () => tf.matMul(a as tf.Tensor2D, dy as tf.Tensor2D, true, false),
  })),
  Mean: gradient({ inputsToSave: ['x'] }, (dy, [x]) => ({ x: () => tf.mul(dy, tf.fill(x!.shape, 1 / x!.size)) })),
  Reshape: gradient({ inputsToSave: ['x'] }, (dy, [x]) => ({ x: () => tf.reshape(dy, x!.shape) })),
  Relu: gradient({ inputsToSave: ['x'] }, (dy, [x]) => ({ x: () => tf.mul(dy, tf.cast(tf.step(x!), 'float32')) })),
  Softmax: gradient({ outputsToSave: [true] }, (dy, [y]) => ({
    logits: () => tf.sub(tf.mul(dy, y!), tf.mul(tf.sum(tf.mul(dy, y!), -1, true), y!)),
  })),
  Conv2D: gradient({ inputsToSave: ['x', 'filter'] }, (dy, [x, filter], attrs: object) => ({
    x: () => run('Conv2DBackpropInput', { dy, filter: filter! }, { ...attrs, inputShape: x!.shape }),
    filter: () => run('Conv2DBackpropFilter', { x: x!, dy }, { ...attrs, filterShape: filter!.shape }),
  })),
  // what avgPool does to its result
  Cast: gradient({ inputsToSave: ['x'] }, (dy, [x]) => ({ x: () => tf.cast(dy, x!.dtype) })),
  AvgPool: gradient({ inputsToSave: ['x'] }, (dy, [x], attrs: object) => ({
    x: () => run('AvgPoolGrad', { dy, input: x! }, attrs),
  })),
  MaxPool: gradient({ inputsToSave: ['x'], outputsToSave: [true] }, (dy, [x, y], attrs: object) => ({
    x: () => run('MaxPoolGrad', { dy, input: x!, output: y! }, attrs),
  })),
}
