/**
 * The layout in which ONNX Runtime's own convolution works: [batch, channels/block, height, width, block], so that one vector register holds the same
 * pixel of neighbouring channels. In the graph such a value has the shape [batch, channels, height, width]; how many channels make a block is a property
 * of the processor. To the rest of the lowerings every image is [batch, height, width, channels]: one that was made in blocks is remembered together with
 * that view of it, and the work of viewing it is done only where something reads the view.
 */

import type { Attributes, Graph, Value, ValueDtype } from '../graph/graph.ts'
import { elementCount, sameShape } from '../host-tensors.ts'
import * as build from './build.ts'
import { expand, reduce, reshape, transpose } from './build.ts'
import { crop, setCrop } from './borders.ts'

type Shape4 = [number, number, number, number]

export const domain = 'com.microsoft.nchwc'
const blockedForms = new WeakMap<Value, Value>()

/** Whether this many channels can be in blocks on the device that the graph is for. */
export function fillsBlocks(graph: Graph, channels: number): boolean {
  return graph.channelBlock !== undefined && channels % graph.channelBlock === 0
}

/** The blocks that an image was made in, if it was. */
export function blockedForm(image: Value): Value | undefined {
  return blockedForms.get(image)
}

/** An image in blocks; one that was made otherwise is rearranged. */
export function toBlocks(graph: Graph, image: Value): Value {
  const made = blockedForms.get(image)
  if (made) return made
  const [batch, height, width, channels] = image.shape as Shape4
  const shape = [batch, channels, height, width]
  const source = image.producer?.op === 'Cast' ? image.producer.inputs[0]! : undefined
  if (source?.dtype === 'bool') return build.cast(graph, boolsToBlocks(graph, source, shape), image.dtype)
  return graph.add(`${domain}.ReorderInput`, [image], { shape, dtype: image.dtype }, { channels_last: 1 })
}

/** Bytes are rearranged before they become four times as many. */
function boolsToBlocks(graph: Graph, image: Value, shape: readonly number[]): Value {
  const [batch, height, width, channels] = image.shape as Shape4
  const block = graph.channelBlock!
  const split = reshape(graph, image, [batch, height * width, channels / block, block])
  return reshape(graph, transpose(graph, split, [0, 2, 1, 3]), shape)
}

/** The image [batch, height, width, channels] that blocks hold. */
export function fromBlocks(graph: Graph, blocks: Value): Value {
  const [batch, channels, height, width] = blocks.shape as Shape4
  const spec = { shape: [batch, height, width, channels], dtype: blocks.dtype }
  const image = graph.add(`${domain}.ReorderOutput`, [blocks], spec, { channels, channels_last: 1 })
  blockedForms.set(image, blocks)
  return image
}

/** An element-wise operator with one operand, in the layout of its operand. */
export function unary(graph: Graph, op: string, x: Value, attributes: Attributes = {}): Value {
  const blocks = blockedForms.get(x)
  if (!blocks) return build.unary(graph, op, x, attributes)
  return likePixels(graph, build.unary(graph, op, blocks, attributes), [x], ([part]) => unary(graph, op, part!, attributes))
}

/** A change of dtype, in the layout of its operand. */
export function cast(graph: Graph, x: Value, dtype: ValueDtype): Value {
  const blocks = blockedForms.get(x)
  if (!blocks || x.dtype === dtype) return build.cast(graph, x, dtype)
  return likePixels(graph, build.cast(graph, blocks, dtype), [x], ([part]) => cast(graph, part!, dtype))
}

/** An element-wise operator with two operands, in blocks if one of them is an image that was made so. */
export function binary(graph: Graph, op: string, a: Value, b: Value, dtype: ValueDtype = a.dtype): Value {
  const image = blockedForms.has(a) ? a : b
  const operands = blockedForms.has(image) ? [a, b].map((x) => operandInBlocks(graph, x, image)) : []
  const [left, right] = operands
  if (!left || !right) return build.binary(graph, op, a, b, dtype)
  return likePixels(graph, build.binary(graph, op, left, right, dtype), [a, b], ([x, y]) => binary(graph, op, x!, y!, dtype))
}

/** An operand as it is added, say, to an image in blocks: another image, a scalar, or one number per channel. */
function operandInBlocks(graph: Graph, x: Value, image: Value): Value | undefined {
  if (sameShape(x.shape, image.shape)) return x.dtype === 'bool' && !blockedForms.has(x) ? undefined : toBlocks(graph, x)
  const size = elementCount(x.shape)
  if (size === 1 && x.shape.length <= 4) return reshape(graph, x, [])
  const [, height, width, channels] = image.shape as Shape4
  if (size !== channels || x.shape.at(-1) !== channels || x.shape.length > 4) return undefined
  // one number for every pixel of one image: broadcasting over the batch alone is as fast as no broadcasting, over runs of a block's length it is not
  const block = graph.channelBlock!
  const perPixel = expand(graph, reshape(graph, x, [channels / block, 1, block]), [channels / block, height * width, block])
  return reshape(graph, perPixel, [channels, height, width])
}

/** The view of blocks that were computed pixel by pixel from images. */
function likePixels(graph: Graph, blocks: Value, images: readonly Value[], compute: (parts: readonly Value[]) => Value): Value {
  const result = fromBlocks(graph, blocks)
  setCrop(result, (height, width) => compute(images.map((x) => (sameShape(x.shape, result.shape) ? crop(graph, x, height, width) : x))))
  return result
}

/** Sum over batch, rows and columns: [channels]. */
export function sumOfPixels(graph: Graph, image: Value): Value | undefined {
  const blocks = blockedForms.get(image)
  if (!blocks) return undefined
  const [batch, channels, height, width] = blocks.shape as Shape4
  const block = graph.channelBlock!
  const split = reshape(graph, blocks, [(batch * channels) / block, height * width, block])
  // two steps, each of a form for which ONNX Runtime has a fast path
  const perImage = reshape(graph, reduce(graph, 'ReduceSum', split, [1], false), [batch, channels])
  return reduce(graph, 'ReduceSum', perImage, [0], false)
}
