/**
 * Convolutions, and both their gradients, by ONNX Runtime's convolution in blocks of channels. It reads images where they lie, instead of columns that repeat
 * every pixel for each place of the filter, and is faster than the matrix product of those. Where something does not fill blocks, these return nothing.
 */

import type { Graph, Value } from '../graph/graph.ts'
import { crop } from './borders.ts'
import { padAfter, reshape, slice, transpose } from './build.ts'
import { domain, fillsBlocks, fromBlocks, toBlocks } from './channel-blocks.ts'
import type { ConvInfo, Convolution } from './convolution.ts'
import type { Place } from './tiles.ts'

type Shape4 = [number, number, number, number]

/** Whether a window moves pixel by pixel over neighbouring pixels: what the convolutions in blocks are used for. */
function isDense({ strideHeight, strideWidth, dilationHeight, dilationWidth }: ConvInfo): boolean {
  return [strideHeight, strideWidth, dilationHeight, dilationWidth].every((n) => n === 1)
}

/** The pixels that a dense window reaches. */
function reachedSize({ outHeight, outWidth, filterHeight, filterWidth, padInfo }: ConvInfo): { height: number; width: number } {
  const { top, bottom, left, right } = padInfo
  return { height: outHeight + filterHeight - 1 - top - bottom, width: outWidth + filterWidth - 1 - left - right }
}

/** x as far as a dense window reaches it, if that is not beyond x: then it is the whole image that is convolved. */
function reachedPart(graph: Graph, x: Value, info: ConvInfo): Value | undefined {
  const { height, width } = reachedSize(info)
  const isCut = height < x.shape[1]! || width < x.shape[2]!
  const { top, bottom, left, right } = info.padInfo
  if (height > x.shape[1]! || width > x.shape[2]! || (isCut && top + bottom + left + right > 0)) return undefined
  return crop(graph, x, height, width)
}

/** Fewer channels than a block has, as images have: of these ONNX Runtime makes blocks as it convolves. */
function areFew(graph: Graph, channels: number): boolean {
  return graph.channelBlock !== undefined && channels < graph.channelBlock
}

/**
 * Whether a convolution is to be made place by place for a pooling, and the gradient of its filter from those of the places: with few channels the larger
 * stride costs little, and it saves taking apart and putting together.
 */
export function readsPlaces(graph: Graph, info: ConvInfo): boolean {
  const { top, bottom, left, right } = info.padInfo
  return areFew(graph, info.inChannels) && top + bottom + left + right === 0
}

/** What a dense window reads of an image for the pixels at a place. */
function partAt(graph: Graph, image: Value, info: ConvInfo, { row, column, tile }: Place): Value {
  const { outHeight, outWidth, filterHeight, filterWidth } = info
  if (tile.height * tile.width === 1) return image
  return slice(graph, image, [
    { axis: 1, start: row, size: outHeight - tile.height + filterHeight },
    { axis: 2, start: column, size: outWidth - tile.width + filterWidth },
  ])
}

/** A convolution in blocks of channels, if they fill blocks or are few, and the results fill blocks. */
export function convolveInBlocks(graph: Graph, { x, filter, info, bias, rectified }: Convolution, place: Place): Value | undefined {
  const { inChannels, outChannels, batchSize, outHeight, outWidth, filterHeight, filterWidth } = info
  const few = areFew(graph, inChannels)
  if (!isDense(info) || !(few || fillsBlocks(graph, inChannels)) || !fillsBlocks(graph, outChannels)) return undefined
  const reached = reachedPart(graph, x, info)
  if (!reached) return undefined
  const image = partAt(graph, reached, info, place)
  const block = graph.channelBlock!
  const [inBlock, taps] = [few ? 1 : block, filterHeight * filterWidth]
  const split = reshape(graph, filter, [taps, inChannels / inBlock, inBlock, outChannels / block, block])
  const weights = reshape(graph, transpose(graph, split, [3, 1, 0, 2, 4]), [outChannels, inChannels, filterHeight, filterWidth])
  const { top, bottom, left, right } = info.padInfo
  const { height, width } = place.tile
  return fromBlocks(
    graph,
    graph.add(
      `${domain}.Conv`,
      [few ? transpose(graph, image, [0, 3, 1, 2]) : toBlocks(graph, image), weights, ...(bias ? [bias] : [])],
      { shape: [batchSize, outChannels, outHeight / height, outWidth / width], dtype: 'float32' },
      {
        kernel_shape: [filterHeight, filterWidth],
        strides: [height, width],
        pads: [top, left, bottom, right],
        ...(rectified ? { activation: 'Relu' } : {}),
      },
    ),
  )
}

/** The gradient of the input is a convolution as well: of dy, with the filter turned round. */
export function inputGradientInBlocks(graph: Graph, dy: Value, filter: Value, info: ConvInfo): Value | undefined {
  const { inChannels, outChannels, batchSize, inHeight, inWidth, outHeight, outWidth, filterHeight, filterWidth, padInfo } = info
  if (!isDense(info) || !fillsBlocks(graph, inChannels) || !fillsBlocks(graph, outChannels)) return undefined
  const [height, width] = [
    Math.min(inHeight, outHeight + filterHeight - 1 - padInfo.top),
    Math.min(inWidth, outWidth + filterWidth - 1 - padInfo.left),
  ]
  const [top, left] = [filterHeight - 1 - padInfo.top, filterWidth - 1 - padInfo.left]
  const [bottom, right] = [height - outHeight + filterHeight - 1 - top, width - outWidth + filterWidth - 1 - left]
  if ([top, left, bottom, right].some((n) => n < 0)) return undefined
  const block = graph.channelBlock!
  const taps = filterHeight * filterWidth
  const reversed = slice(graph, reshape(graph, filter, [taps, inChannels * outChannels]), [
    { axis: 0, start: taps - 1, size: taps, step: -1 },
  ])
  const split = reshape(graph, reversed, [taps, inChannels / block, block, outChannels / block, block])
  const weights = reshape(graph, transpose(graph, split, [1, 3, 0, 4, 2]), [inChannels, outChannels, filterHeight, filterWidth])
  const reached = graph.add(
    `${domain}.Conv`,
    [toBlocks(graph, dy), weights],
    { shape: [batchSize, inChannels, height, width], dtype: 'float32' },
    { kernel_shape: [filterHeight, filterWidth], pads: [top, left, bottom, right] },
  )
  return padAfter(graph, fromBlocks(graph, reached), inHeight, inWidth)
}

/**
 * The gradient of the filter is a convolution too, in which the images of the batch are the channels and those of x the images: x is convolved with dy, the
 * gradient of the pixels at a place.
 *
 * @returns [filterHeight, filterWidth, inChannels, outChannels]
 */
export function filterGradientInBlocks(
  graph: Graph,
  { x, dy, info }: { x: Value; dy: Value; info: ConvInfo },
  place: Place,
): Value | undefined {
  const { inChannels, outChannels, batchSize, outHeight, outWidth, filterHeight, filterWidth, padInfo } = info
  if (!isDense(info) || !fillsBlocks(graph, batchSize) || !fillsBlocks(graph, outChannels)) return undefined
  if (!areFew(graph, inChannels) && !fillsBlocks(graph, inChannels)) return undefined
  const reached = reachedPart(graph, x, info)
  if (!reached) return undefined
  const image = partAt(graph, reached, info, place)
  const block = graph.channelBlock!
  const { top, bottom, left, right } = padInfo
  const { height, width } = place.tile
  const sums = graph.add(
    `${domain}.Conv`,
    [imagesAsChannels(graph, image), imagesAsInputs(graph, dy)],
    { shape: [inChannels, outChannels, filterHeight, filterWidth], dtype: 'float32' },
    { kernel_shape: [outHeight / height, outWidth / width], dilations: [height, width], pads: [top, left, bottom, right] },
  )
  const taps = filterHeight * filterWidth
  const gradient = transpose(graph, reshape(graph, sums, [inChannels, outChannels / block, taps, block]), [2, 0, 1, 3])
  return reshape(graph, gradient, [filterHeight, filterWidth, inChannels, outChannels])
}

/** Blocks of images instead of channels: [channels, batch, height, width]. */
function imagesAsChannels(graph: Graph, image: Value): Value {
  const [batch, height, width, channels] = image.shape as Shape4
  const block = graph.channelBlock!
  const [images, pixels] = [batch / block, height * width]
  const few = areFew(graph, channels)
  const flat = reshape(graph, few ? image : toBlocks(graph, image), [1, batch, 1, pixels * channels])
  const interleaved = graph.add(`${domain}.ReorderInput`, [flat], { shape: flat.shape, dtype: image.dtype })
  const result = few
    ? transpose(graph, reshape(graph, interleaved, [images, pixels, channels, block]), [2, 0, 1, 3])
    : transpose(graph, reshape(graph, interleaved, [images, channels / block, pixels, block, block]), [1, 3, 0, 2, 4])
  return reshape(graph, result, [channels, batch, height, width])
}

/** A gradient as the filter of a convolution whose input channels are the images: [channels, batch, height, width] in blocks of both. */
function imagesAsInputs(graph: Graph, dy: Value): Value {
  const [batch, height, width, channels] = dy.shape as Shape4
  const block = graph.channelBlock!
  const split = reshape(graph, toBlocks(graph, dy), [batch / block, block, channels / block, height * width, block])
  return reshape(graph, transpose(graph, split, [2, 0, 3, 1, 4]), [channels, batch, height, width])
}
