import { UnsupportedOpError } from '../errors.ts'
import type { ValueDtype } from '../graph/graph.ts'
import type { KernelInputs } from '../trace/lowering.ts'

/**
 * Kernels that take fewer dtypes in a compiled program than in TensorFlow.js' plain backend. That one computes in float64 and then cuts the result down
 * to the dtype of the operand: sigmoid(20) is 0 for int32, true + true is 2. ONNX Runtime has no such operators, and float32 would round to another integer.
 */
const accepted: Readonly<Record<string, readonly ValueDtype[]>> = {
  ...forAll(
    ['float32'],
    [
      ...['Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'Cos', 'Cosh', 'Sin', 'Sinh', 'Tan', 'Tanh', 'Erf', 'Expm1', 'Log', 'Log1p'],
      ...['Reciprocal', 'Rsqrt', 'Sqrt', 'Sigmoid', 'Softplus', 'Elu', 'EluGrad', 'Selu'],
      ...['Conv2D', 'Conv2DBackpropFilter', 'Conv2DBackpropInput', 'AvgPool', 'MaxPoolGrad', 'AvgPoolGrad'],
    ],
  ),
  ...forAll(
    ['float32', 'int32'],
    [
      ...['Abs', 'Ceil', 'Floor', 'Neg', 'Relu', 'Relu6', 'Round', 'Sign', 'Square', 'Step', 'ClipByValue', 'BatchMatMul', 'MaxPool'],
      ...['Add', 'AddN', 'Sub', 'Multiply', 'RealDiv', 'FloorDiv', 'Pow', 'SquaredDifference'],
    ],
  ),
  ...forAll(['bool'], ['LogicalAnd', 'LogicalOr', 'LogicalXor', 'LogicalNot', 'All', 'Any']),
}

/** @throws {UnsupportedOpError} a compiled program cannot run the kernel on tensors of these dtypes */
export function checkDtypes(kernel: string, inputs: KernelInputs): void {
  if (!Object.hasOwn(accepted, kernel)) return
  const dtypes = accepted[kernel]!
  const refused = Object.values(inputs).find(({ dtype }) => !dtypes.includes(dtype))
  if (refused) throw new UnsupportedOpError(kernel, `${refused.dtype} tensors instead of ${dtypes.join(' or ')} ones`)
}

function forAll(dtypes: readonly ValueDtype[], kernels: readonly string[]): Record<string, readonly ValueDtype[]> {
  return Object.fromEntries(kernels.map((kernel) => [kernel, dtypes]))
}
