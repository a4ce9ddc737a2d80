import { backend_util } from '@tensorflow/tfjs-core'
import { UnsupportedOpError } from '../errors.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { elementCount } from '../host-tensors.ts'
import type { Lowerings } from '../trace/lowering.ts'
import { concat, gemm, pad, padAfter, reshape, slice, transpose } from './build.ts'
import { canCrop, crop, setCrop, withoutZeroBorder } from './borders.ts'
import { blockedForm } from './channel-blocks.ts'
import { convolveInBlocks, filterGradientInBlocks, inputGradientInBlocks } from './convolution-in-blocks.ts'

type Shape4 = [number, number, number, number]
export type ConvInfo = ReturnType<typeof backend_util.computeConv2DInfo>

type WindowSize = 'filterHeight' | 'filterWidth' | 'strideHeight' | 'strideWidth' | 'dilationHeight' | 'dilationWidth'

interface ConvAttrs {
  readonly strides: [number, number] | number
  readonly pad: 'valid' | 'same' | number | [[number, number], [number, number], [number, number], [number, number]]
  readonly dataFormat: 'NHWC' | 'NCHW'
  readonly dilations?: [number, number] | number
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil'
}

export interface Convolution {
  readonly x: Value
  readonly filter: Value
  readonly info: ConvInfo
  /** added to the result, one number per channel */
  readonly bias?: Value
  /** whether negative results become 0 */
  readonly rectified?: boolean
}

/** Windows of a pooling that tile the image. */
export interface Tile {
  readonly height: number
  readonly width: number
}
const pixel: Tile = { height: 1, width: 1 }

/** The convolutions that made a value. */
const convolutions = new WeakMap<Value, Convolution>()
/** Values that were put together from tiles. */
const untiled = new WeakMap<Value, { tiles: Value; tile: Tile }>()

/**
 * Convolutions as matrix products. The columns of an image, its filter windows side by side, are one value for the convolution and for the
 * gradient of its filter, so they are made once.
 */
export const convolutionLowerings: Lowerings = {
  Conv2D: (graph, { x, filter }, attrs: ConvAttrs) =>
    convolve(graph, { x: x!, filter: filter!, info: convInfo('Conv2D', x!.shape, filter!.shape, attrs) }),
  Conv2DBackpropFilter: (graph, { x, dy }, attrs: ConvAttrs & { filterShape: Shape4 }) => {
    const full = convInfo('Conv2DBackpropFilter', x!.shape, attrs.filterShape, attrs)
    const { part, info } = nonZeroPart(dy!, full)
    const inBlocks = filterGradientInBlocks(graph, x!, part, info)
    if (inBlocks) return reshape(graph, inBlocks, attrs.filterShape)
    // a sum over all pixels, so the order does not matter: that of the pooling before saves rearranging
    const { tiles, tile } = untiled.get(part) ?? { tiles: part, tile: pixel }
    return reshape(graph, gemm(graph, columns(graph, x!, info, tile), rowsOf(graph, tiles), { transA: 1 }), attrs.filterShape)
  },
  Conv2DBackpropInput: (graph, { dy, filter }, attrs: ConvAttrs & { inputShape: Shape4 }) => {
    const full = convInfo('Conv2DBackpropInput', attrs.inputShape, filter!.shape, attrs)
    const { part, info } = nonZeroPart(dy!, full)
    return inputGradientInBlocks(graph, part, filter!, info) ?? transposedConvolution(graph, part, filter!, info)
  },
}

/**
 * An image in the order in which pooling reads it: for each place in a tile, the pixels that all tiles have there. Rows and columns that fill no tile
 * are left out; where x is a convolution, they are not even computed, and the order costs nothing.
 *
 * @returns [batch, tile.height·tile.width, height·width, channels], height and width counted in tiles
 */
export function toTiles(graph: Graph, x: Value, tile: Tile): Value {
  const [batch, height, width, channels] = x.shape as Shape4
  const [rows, columns] = [Math.floor(height / tile.height), Math.floor(width / tile.width)]
  const shape = [batch, tile.height * tile.width, rows * columns, channels]
  const made = convolutions.get(x)
  if (made && !blockedForm(x)) {
    const info = withOutputSize(made.info, rows * tile.height, columns * tile.width)
    return reshape(graph, product(graph, { ...made, info }, tile), shape)
  }
  const used = crop(graph, x, rows * tile.height, columns * tile.width)
  const split = reshape(graph, used, [batch, rows, tile.height, columns, tile.width, channels])
  return reshape(graph, transpose(graph, split, [0, 2, 4, 1, 3, 5]), shape)
}

/** The reverse of `toTiles`: an image of that shape, 0 where no tile is. */
export function fromTiles(graph: Graph, tiles: Value, tile: Tile, [batch, height, width, channels]: Shape4): Value {
  const [rows, columns] = [Math.floor(height / tile.height), Math.floor(width / tile.width)]
  const split = reshape(graph, tiles, [batch, tile.height, tile.width, rows, columns, channels])
  const joined = transpose(graph, split, [0, 3, 1, 4, 2, 5])
  const image = reshape(graph, joined, [batch, rows * tile.height, columns * tile.width, channels])
  untiled.set(image, { tiles, tile })
  return padAfter(graph, image, height, width)
}

/** A gradient without the rows and columns in which it is 0, and the convolution that it belongs to. */
function nonZeroPart(dy: Value, info: ConvInfo): { part: Value; info: ConvInfo } {
  const part = withoutZeroBorder(dy)
  return part ? { part, info: withOutputSize(info, part.shape[1]!, part.shape[2]!) } : { part: dy, info }
}

function withOutputSize(info: ConvInfo, outHeight: number, outWidth: number): ConvInfo {
  return { ...info, outHeight, outWidth, outShape: [info.batchSize, outHeight, outWidth, info.outChannels] }
}

function convInfo(op: string, x: readonly number[], filter: readonly number[], attrs: ConvAttrs): ConvInfo {
  if (attrs.dataFormat !== 'NHWC') throw new UnsupportedOpError(op, `data format ${attrs.dataFormat}`)
  const info = backend_util.computeConv2DInfo(
    [...x] as Shape4,
    [...filter] as Shape4,
    attrs.strides,
    attrs.dilations ?? 1,
    attrs.pad as 'valid',
    attrs.dimRoundingMode,
    false,
    'channelsLast',
  )
  requireSquare(op, attrs.pad, info)
  return info
}

/** For a pad in pixels, TensorFlow.js computes the width of the result from the height of the window. */
export function requireSquare(op: string, pad: unknown, info: Pick<ConvInfo, WindowSize>): void {
  const isSquare =
    info.filterHeight === info.filterWidth && info.strideHeight === info.strideWidth && info.dilationHeight * info.dilationWidth === 1
  if (typeof pad === 'number' && pad > 0 && !isSquare) throw new UnsupportedOpError(op, 'a pad in pixels and a window that is not square')
}

function convolve(graph: Graph, convolution: Convolution): Value {
  const result = convolveInBlocks(graph, convolution) ?? reshape(graph, product(graph, convolution, pixel), convolution.info.outShape)
  convolutions.set(result, convolution)
  setCrop(result, (height, width) => convolve(graph, { ...convolution, info: withOutputSize(convolution.info, height, width) }))
  return result
}

/** The pixels of a convolution, tile by tile: [pixels, outChannels]. */
function product(graph: Graph, { x, filter, info }: Convolution, tile: Tile): Value {
  const matrix = reshape(graph, filter, [elementCount(filter.shape.slice(0, 3)), info.outChannels])
  return gemm(graph, columns(graph, x, info, tile), matrix)
}

/** Gather copies one pixel at a time; below this many channels it pays to put neighbours side by side first. */
const fewChannels = 8

/** im2col: [batch·outHeight·outWidth, filterHeight·filterWidth·inChannels], each image in the order of its tiles. */
function columns(graph: Graph, x: Value, info: ConvInfo, tile: Tile): Value {
  const { batchSize, outHeight, outWidth, filterHeight, filterWidth, inChannels, padInfo } = info
  const { top, bottom, left, right } = padInfo
  const rows = batchSize * outHeight * outWidth
  const paddings = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ] as const
  const padded = pad(graph, usedPart(graph, x, info), paddings, 0)
  // beyond the output that is asked for there may be more of x, which `usedPart` leaves where it saves nothing
  if (isPointwise(info) && tile === pixel) return rowsOf(graph, crop(graph, padded, outHeight, outWidth))
  const source = inChannels < fewChannels ? widenColumns(graph, padded, info) : padded
  const [, height, width, channels] = source.shape as Shape4
  const taps = windowIndices(info, tile, width, source === padded)
  const gathered = graph.add(
    'Gather',
    [reshape(graph, source, [batchSize, height * width, channels]), graph.constant(taps, [taps.length], 'int32')],
    { shape: [batchSize, taps.length, channels], dtype: x.dtype },
    { axis: 1 },
  )
  return reshape(graph, gathered, [rows, filterHeight * filterWidth * inChannels])
}

/** x, without the rows and columns at its end that no window reaches, if that saves work before. */
function usedPart(graph: Graph, x: Value, info: ConvInfo): Value {
  const { top, bottom, left, right } = info.padInfo
  if (top + bottom + left + right > 0 || !canCrop(x)) return x
  const height = (info.outHeight - 1) * info.strideHeight + info.effectiveFilterHeight
  const width = (info.outWidth - 1) * info.strideWidth + info.effectiveFilterWidth
  return crop(graph, x, height, width)
}

/** One row of each filter window side by side: [batch, height, outWidth, filterWidth·inChannels]. */
function widenColumns(graph: Graph, x: Value, info: ConvInfo): Value {
  const shifted = Array.from({ length: info.filterWidth }, (_, column) =>
    slice(graph, x, [{ axis: 2, start: column * info.dilationWidth, size: info.outWidth, step: info.strideWidth }]),
  )
  return concat(graph, shifted, 3)
}

/** Pixel under each place of the filter, for every output pixel; `width` is that of the image they are counted in. */
function windowIndices(info: ConvInfo, tile: Tile, width: number, everyColumn: boolean): Int32Array {
  const { filterHeight, filterWidth, strideHeight, strideWidth, dilationHeight, dilationWidth } = info
  const indices: number[] = []
  for (const [y, x] of outputPixels(info, tile)) {
    for (let row = 0; row < filterHeight; row++) {
      const start = (y * strideHeight + row * dilationHeight) * width
      if (!everyColumn) indices.push(start + x)
      else for (let column = 0; column < filterWidth; column++) indices.push(start + x * strideWidth + column * dilationWidth)
    }
  }
  return Int32Array.from(indices)
}

/** Row and column of every output pixel, in the order of `toTiles`. */
function* outputPixels({ outHeight, outWidth }: ConvInfo, tile: Tile): Generator<[number, number]> {
  for (let row = 0; row < tile.height; row++)
    for (let column = 0; column < tile.width; column++)
      for (let y = row; y < outHeight; y += tile.height) for (let x = column; x < outWidth; x += tile.width) yield [y, x]
}

/** 1×1 at stride 1: every pixel is its own window. */
function isPointwise({ filterHeight, filterWidth, strideHeight, strideWidth }: ConvInfo): boolean {
  return [filterHeight, filterWidth, strideHeight, strideWidth].every((n) => n === 1)
}

/** [batch, height, width, channels] → [batch·height·width, channels]. */
function rowsOf(graph: Graph, x: Value): Value {
  const channels = x.shape.at(-1)!
  return reshape(graph, x, [elementCount(x.shape) / channels, channels])
}

/** Gradient of the input through ONNX' own transposed convolution, which adds up overlapping windows while they are in the cache. */
function transposedConvolution(graph: Graph, dy: Value, filter: Value, info: ConvInfo): Value {
  const { batchSize, inChannels, inHeight, inWidth } = info
  const { top, left } = info.padInfo
  // first row and column of the input that no window reaches; beyond the input there is only padding
  const bottom = (info.outHeight - 1) * info.strideHeight + info.effectiveFilterHeight - top
  const right = (info.outWidth - 1) * info.strideWidth + info.effectiveFilterWidth - left
  const attributes = {
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    pads: [top, left, Math.max(0, bottom - inHeight), Math.max(0, right - inWidth)],
  }
  const shape = [batchSize, inChannels, Math.min(bottom, inHeight), Math.min(right, inWidth)]
  const inputs = [transpose(graph, dy, [0, 3, 1, 2]), transpose(graph, filter, [3, 2, 0, 1])]
  const reached = graph.add('ConvTranspose', inputs, { shape, dtype: 'float32' }, attributes)
  return padAfter(graph, transpose(graph, reached, [0, 2, 3, 1]), inHeight, inWidth)
}

/** A convolution in blocks plus a number per channel: it is added where the sums are still in registers. */
export function addBias(graph: Graph, x: Value, bias: Value): Value | undefined {
  const convolution = convolutions.get(x)
  if (!convolution || !blockedForm(x) || convolution.bias || convolution.rectified) return undefined
  const { outChannels } = convolution.info
  if (elementCount(bias.shape) !== outChannels || bias.shape.at(-1) !== outChannels || bias.shape.length > 4) return undefined
  return convolve(graph, { ...convolution, bias: reshape(graph, bias, [outChannels]) })
}

/** The positive part of a convolution in blocks, cut off where the sums are still in registers. */
export function rectify(graph: Graph, x: Value): Value | undefined {
  const convolution = convolutions.get(x)
  return convolution && blockedForm(x) && !convolution.rectified ? convolve(graph, { ...convolution, rectified: true }) : undefined
}
