import { backend_util } from '@tensorflow/tfjs-core'
import { UnsupportedOpError } from '../errors.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { elementCount } from '../host-tensors.ts'
import type { Lowerings } from '../trace/lowering.ts'
import { binary, concat, gemm, pad, padAfter, reshape, slice, transpose, unary } from './build.ts'
import { canCrop, crop, setCrop, withoutZeroBorder } from './borders.ts'
import { blockedForm } from './channel-blocks.ts'
import { convolveInBlocks, filterGradientInBlocks, inputGradientInBlocks, readsPlaces } from './convolution-in-blocks.ts'
import { everyPixel, type Place, placesOf, type Tile } from './tiles.ts'

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

/** The convolutions that made a value. */
const convolutions = new WeakMap<Value, Convolution>()
/** Images that were put together from those of the places of a tile. */
const assembled = new WeakMap<Value, { parts: readonly Value[]; tile: Tile }>()

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
    // a sum over all pixels, so an image that was put together from places need not be
    const whole = { parts: [part], tile: everyPixel.tile }
    const pieces = assembled.get(part) ?? whole
    return (
      sumOver(graph, readsPlaces(graph, info) ? pieces : whole, (dy, place) => filterGradientInBlocks(graph, { x: x!, dy, info }, place)) ??
      sumOver(graph, pieces, (dy, place) => filterGradient(graph, { x: x!, dy, info }, place))!
    )
  },
  Conv2DBackpropInput: (graph, { dy, filter }, attrs: ConvAttrs & { inputShape: Shape4 }) => {
    const full = convInfo('Conv2DBackpropInput', attrs.inputShape, filter!.shape, attrs)
    const { part, info } = nonZeroPart(dy!, full)
    return inputGradientInBlocks(graph, part, filter!, info) ?? transposedConvolution(graph, part, filter!, info)
  },
}

/**
 * The pixels that all tiles have at each of their places, row by row: images [batch, height, width, channels], height and width counted in tiles. Rows and
 * columns that fill no tile are left out; where x is a convolution, they are not even computed, and each place is a convolution of its own.
 */
export function toPlaces(graph: Graph, x: Value, tile: Tile): readonly Value[] {
  const [batch, height, width, channels] = x.shape as Shape4
  const [rows, columns] = [Math.floor(height / tile.height), Math.floor(width / tile.width)]
  const made = convolutions.get(x)
  if (made) {
    const convolution = { ...made, info: withOutputSize(made.info, rows * tile.height, columns * tile.width) }
    if (!blockedForm(x)) return placesOf(tile).map((place) => product(graph, convolution, place))
    if (readsPlaces(graph, convolution.info)) return placesOf(tile).map((place) => convolveInBlocks(graph, convolution, place)!)
  }
  const used = crop(graph, x, rows * tile.height, columns * tile.width)
  const split = reshape(graph, used, [batch, rows, tile.height, columns, tile.width, channels])
  return placesOf(tile).map(({ row, column }) => {
    const pixels = slice(graph, split, [
      { axis: 2, start: row, size: 1 },
      { axis: 4, start: column, size: 1 },
    ])
    return reshape(graph, pixels, [batch, rows, columns, channels])
  })
}

/** The reverse of `toPlaces`: an image of that shape, 0 where no tile is. */
export function fromPlaces(graph: Graph, parts: readonly Value[], tile: Tile, [batch, height, width, channels]: Shape4): Value {
  const [rows, columns] = [Math.floor(height / tile.height), Math.floor(width / tile.width)]
  const pixels = parts.map((part) => reshape(graph, part, [batch, rows, 1, columns, 1, channels]))
  const joined = Array.from({ length: tile.height }, (_, row) => concat(graph, pixels.slice(row * tile.width, (row + 1) * tile.width), 4))
  const image = reshape(graph, concat(graph, joined, 2), [batch, rows * tile.height, columns * tile.width, channels])
  assembled.set(image, { parts, tile })
  return padAfter(graph, image, height, width)
}

/** Sum of what is made of the image at each place; nothing if one makes nothing. */
function sumOver(
  graph: Graph,
  { parts, tile }: { parts: readonly Value[]; tile: Tile },
  make: (part: Value, place: Place) => Value | undefined,
): Value | undefined {
  return placesOf(tile)
    .map((place, i) => make(parts[i]!, place))
    .reduce((sum, value) => sum && value && binary(graph, 'Add', sum, value))
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
  const result = convolveInBlocks(graph, convolution, everyPixel) ?? product(graph, convolution, everyPixel)
  convolutions.set(result, convolution)
  setCrop(result, (height, width) => convolve(graph, { ...convolution, info: withOutputSize(convolution.info, height, width) }))
  return result
}

/** The pixels of a convolution at a place. */
function product(graph: Graph, { x, filter, info, bias, rectified }: Convolution, place: Place): Value {
  const { outHeight, outWidth, outChannels, batchSize } = info
  const weights = sharesPatches(info, place) ? pad(graph, filter, paddingInPatch(info, place), 0) : filter
  const matrix = reshape(graph, weights, [elementCount(weights.shape.slice(0, 3)), outChannels])
  const shape = [batchSize, outHeight / place.tile.height, outWidth / place.tile.width, outChannels]
  const sums = reshape(graph, gemm(graph, columnsAt(graph, x, info, place), matrix), shape)
  const biased = bias ? binary(graph, 'Add', sums, bias) : sums
  return rectified ? unary(graph, 'Relu', biased) : biased
}

/** What the pixels at a place contribute to the gradient of the filter. */
function filterGradient(graph: Graph, { x, dy, info }: { x: Value; dy: Value; info: ConvInfo }, place: Place): Value {
  const { filterHeight, filterWidth, inChannels, outChannels } = info
  const gradient = gemm(graph, columnsAt(graph, x, info, place), rowsOf(graph, dy), { transA: 1 })
  if (!sharesPatches(info, place)) return reshape(graph, gradient, [filterHeight, filterWidth, inChannels, outChannels])
  const [[top], [left]] = paddingInPatch(info, place)
  const { filterHeight: height, filterWidth: width } = patchInfo(info, place.tile)
  return slice(graph, reshape(graph, gradient, [height, width, inChannels, outChannels]), [
    { axis: 0, start: top, size: filterHeight },
    { axis: 1, start: left, size: filterWidth },
  ])
}

/** Copying columns costs much per piece; below this many channels it pays to put neighbours side by side first. */
const fewChannels = 8

/**
 * Whether the columns of a place are patches: all the pixels that the windows of one tile reach, the same for every place. The filter is then padded with
 * zeros. That is more to multiply, but of few channels it is little, and there is less to copy.
 */
function sharesPatches({ inChannels, dilationHeight, dilationWidth }: ConvInfo, { tile }: Place): boolean {
  return inChannels < fewChannels && dilationHeight * dilationWidth === 1 && tile.height * tile.width > 1
}

/** The convolution whose windows are the patches. */
function patchInfo(info: ConvInfo, tile: Tile): ConvInfo {
  const { filterHeight, filterWidth, strideHeight, strideWidth, outHeight, outWidth } = info
  const [height, width] = [(tile.height - 1) * strideHeight + filterHeight, (tile.width - 1) * strideWidth + filterWidth]
  const larger = { filterHeight: height, filterWidth: width, effectiveFilterHeight: height, effectiveFilterWidth: width }
  const further = { strideHeight: strideHeight * tile.height, strideWidth: strideWidth * tile.width }
  return withOutputSize({ ...info, ...larger, ...further }, outHeight / tile.height, outWidth / tile.width)
}

/** Before and after the filter, in the patch, for every axis. */
function paddingInPatch(info: ConvInfo, { row, column, tile }: Place): [[number, number], [number, number], [0, 0], [0, 0]] {
  const { strideHeight, strideWidth } = info
  return [
    [row * strideHeight, (tile.height - 1 - row) * strideHeight],
    [column * strideWidth, (tile.width - 1 - column) * strideWidth],
    [0, 0],
    [0, 0],
  ]
}

/** im2col of the pixels at a place: [batch·height·width, filterHeight·filterWidth·inChannels], height and width counted in tiles. */
function columnsAt(graph: Graph, x: Value, info: ConvInfo, place: Place): Value {
  return sharesPatches(info, place) ? columns(graph, x, patchInfo(info, place.tile), everyPixel) : columns(graph, x, info, place)
}

function columns(graph: Graph, x: Value, info: ConvInfo, place: Place): Value {
  const { batchSize, outHeight, outWidth, filterHeight, filterWidth, inChannels, padInfo } = info
  const { top, bottom, left, right } = padInfo
  const rows = (batchSize * outHeight * outWidth) / (place.tile.height * place.tile.width)
  const paddings = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ] as const
  const padded = pad(graph, usedPart(graph, x, info), paddings, 0)
  // beyond the output that is asked for there may be more of x, which `usedPart` leaves where it saves nothing
  if (isPointwise(info) && place === everyPixel) return rowsOf(graph, crop(graph, padded, outHeight, outWidth))
  const source = inChannels < fewChannels ? widenColumns(graph, padded, info) : padded
  const [, height, width, channels] = source.shape as Shape4
  const taps = windowIndices(info, place, width, source === padded)
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

/** Pixel under each element of the filter, for every output pixel at a place; `width` is that of the image they are counted in. */
function windowIndices(info: ConvInfo, place: Place, width: number, everyColumn: boolean): Int32Array {
  const { filterHeight, filterWidth, strideHeight, strideWidth, dilationHeight, dilationWidth } = info
  const indices: number[] = []
  for (const [y, x] of outputPixels(info, place)) {
    for (let row = 0; row < filterHeight; row++) {
      const start = (y * strideHeight + row * dilationHeight) * width
      if (!everyColumn) indices.push(start + x)
      else for (let column = 0; column < filterWidth; column++) indices.push(start + x * strideWidth + column * dilationWidth)
    }
  }
  return Int32Array.from(indices)
}

/** Row and column of every output pixel at a place. */
function* outputPixels({ outHeight, outWidth }: ConvInfo, { row, column, tile }: Place): Generator<[number, number]> {
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
