/**
 * Work that nothing needs. A pooling drops the rows and columns that fill no window; so nothing in the layers before depends on them, and their
 * gradients are 0. Both facts are carried through the graph while it is built: values are cropped where they are made, and zero borders are put back last.
 * All images are [batch, height, width, channels]. Where something else needs a whole image, it is made besides.
 */

import type { Graph, Value } from '../graph/graph.ts'
import { slice } from './build.ts'

type Crop = (height: number, width: number) => Value

const croppable = new WeakMap<Value, Crop>()

/** Operators whose result at a pixel depends on that pixel alone. */
const pixelwise = new Set([
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Max',
  'Min',
  'Relu',
  'LeakyRelu',
  'Elu',
  'Tanh',
  'Sigmoid',
  'Cast',
  'Greater',
  'Equal',
])

/** Says how the first rows and columns of a value can be made without the others. */
export function setCrop(value: Value, crop: Crop): void {
  croppable.set(value, crop)
}

/** Whether less of x is less work. */
export function canCrop(x: Value): boolean {
  return croppable.has(x) || isPixelwise(x) || withoutZeroBorder(x) !== undefined
}

/** The first rows and columns of x. */
export function crop(graph: Graph, x: Value, height: number, width: number): Value {
  if (x.shape[1] === height && x.shape[2] === width) return x
  const make = croppable.get(x)
  if (make) return make(height, width)
  const part = withoutZeroBorder(x)
  if (part && height <= part.shape[1]! && width <= part.shape[2]!) return crop(graph, part, height, width)
  if (isPixelwise(x)) {
    const { op, inputs, attributes } = x.producer!
    const cropped = inputs.map((input) => (input && input.shape.length === 4 ? cropOperand(graph, input, x, height, width) : input))
    return graph.add(op, cropped, { shape: [x.shape[0]!, height, width, x.shape[3]!], dtype: x.dtype }, attributes)
  }
  return slice(graph, x, [
    { axis: 1, start: 0, size: height },
    { axis: 2, start: 0, size: width },
  ])
}

/** Axes along which an operand is broadcast stay as they are. */
function cropOperand(graph: Graph, operand: Value, result: Value, height: number, width: number): Value {
  const sizeOf = (axis: number, size: number) => (operand.shape[axis] === result.shape[axis] ? size : operand.shape[axis]!)
  return crop(graph, operand, sizeOf(1, height), sizeOf(2, width))
}

function isPixelwise(x: Value): boolean {
  if (!x.producer || x.shape.length !== 4 || !pixelwise.has(x.producer.op)) return false
  return x.producer.inputs.every((input) => !input || input.shape.length === 4 || input.shape.length <= 1)
}

/** What remains of an image that ends in rows and columns of zeros. */
export function withoutZeroBorder(x: Value): Value | undefined {
  if (x.producer?.op !== 'Pad' || x.shape.length !== 4) return undefined
  const [part, amounts, fill] = x.producer.inputs
  if (!part || fill?.constant !== 0 || !(amounts?.constant instanceof BigInt64Array)) return undefined
  return amounts.constant.every((n, i) => n === 0n || i === 5 || i === 6) ? part : undefined
}
