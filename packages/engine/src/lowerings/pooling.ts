import { backend_util } from '@tensorflow/tfjs-core'
import type { Graph, Value } from '../graph/graph.ts'
import type { Lowerings } from '../trace/lowering.ts'
import { crop, setCrop, withoutZeroBorder } from './borders.ts'
import { pad, padAfter, reshape, slice } from './build.ts'
import { binary, cast } from './channel-blocks.ts'
import { fromPlaces, requireSquare, toPlaces } from './convolution.ts'
import type { Tile } from './tiles.ts'

type Shape4 = [number, number, number, number]
type PoolInfo = ReturnType<typeof backend_util.computePool2DInfo>

interface PoolAttrs {
  readonly filterSize: [number, number] | number
  readonly strides: [number, number] | number
  readonly pad: 'valid' | 'same' | number
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil'
}

export const poolingLowerings: Lowerings = {
  MaxPool: (graph, { x }, attrs: PoolAttrs) => {
    const info = poolInfo(x!, attrs)
    if (isTiling(info)) return maxOfTiles(graph, x!, tileOf(info))
    return windows(graph, x!, info, lowest(x!)).reduce((max, window) => binary(graph, 'Max', max, window))
  },
  MaxPoolGrad: (graph, { dy, input, output }, attrs: PoolAttrs) => {
    const part = withoutZeroBorder(dy!)
    const full = poolInfo(input!, attrs)
    if (!part || !isTiling(full)) return maxPoolGradient(graph, input!, output!, dy!, full)
    const [, height, width] = part.shape as Shape4
    const used = crop(graph, input!, height * full.filterHeight, width * full.filterWidth)
    const max = crop(graph, output!, height, width)
    return padAfter(graph, maxPoolGradient(graph, used, max, part, poolInfo(used, attrs)), full.inHeight, full.inWidth)
  },
  AvgPool: (graph, { x }, attrs: PoolAttrs) => {
    const info = poolInfo(x!, attrs)
    const sum = windows(graph, x!, info, 0).reduce((total, window) => binary(graph, 'Add', total, window))
    return binary(graph, 'Div', sum, windowSizes(graph, info))
  },
  AvgPoolGrad: (graph, { dy, input }, attrs: PoolAttrs) => {
    const info = poolInfo(input!, attrs)
    // TensorFlow.js divides by the full window here, also at padded borders
    const size = info.filterHeight * info.filterWidth
    const share = binary(graph, 'Mul', dy!, graph.fill(1 / size, [], 'float32'))
    return spread(
      graph,
      Array.from({ length: size }, () => share),
      info,
    )
  },
}

/** What no maximum is below. */
function lowest({ dtype }: Value): number {
  return dtype === 'int32' ? -(2 ** 31) : -Infinity
}

function poolInfo(x: Value, { filterSize, strides, pad, dimRoundingMode }: PoolAttrs): PoolInfo {
  const info = backend_util.computePool2DInfo([...x.shape] as Shape4, filterSize, strides, 1, pad, dimRoundingMode)
  requireSquare('Pooling', pad, info)
  return info
}

/** Windows side by side, without padding: every element of x belongs to one, but for a rest at the far borders. */
function isTiling(info: PoolInfo): boolean {
  const { padInfo, filterHeight, filterWidth, strideHeight, strideWidth } = info
  const isPadded = [padInfo.top, padInfo.left, padInfo.bottom, padInfo.right].some((n) => n > 0)
  return filterHeight === strideHeight && filterWidth === strideWidth && !isPadded
}

/** Maximum of each window, [batch, height, width, channels]. */
function maxOfTiles(graph: Graph, x: Value, tile: Tile): Value {
  if (tile.height * tile.width === 1) return x
  const result = toPlaces(graph, x, tile).reduce((max, place) => binary(graph, 'Max', max, place))
  setCrop(result, (rows, columns) => maxOfTiles(graph, crop(graph, x, rows * tile.height, columns * tile.width), tile))
  return result
}

function maxPoolGradient(graph: Graph, input: Value, output: Value, dy: Value, info: PoolInfo): Value {
  return spread(graph, shareOfFirstMaximum(graph, windows(graph, input, info, -Infinity), output, dy), info)
}

function tileOf({ filterHeight, filterWidth }: PoolInfo): Tile {
  return { height: filterHeight, width: filterWidth }
}

/** For each place of the filter, the elements under it: tensors of the output's shape, row by row. */
function windows(graph: Graph, x: Value, info: PoolInfo, padding: number): readonly Value[] {
  if (isTiling(info)) return toPlaces(graph, x, tileOf(info))
  const padded = padToWindows(graph, x, info, padding)
  return places(info).map(({ row, column }) =>
    slice(graph, padded, [
      { axis: 1, start: row, size: info.outHeight, step: info.strideHeight },
      { axis: 2, start: column, size: info.outWidth, step: info.strideWidth },
    ]),
  )
}

function padToWindows(graph: Graph, x: Value, info: PoolInfo, padding: number): Value {
  const [height, width] = paddedSize(info)
  const { top, left } = info.padInfo
  const bottom = Math.max(0, height - info.inHeight - top)
  const right = Math.max(0, width - info.inWidth - left)
  const paddings = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ] as const
  return pad(graph, x, paddings, padding)
}

function places(info: PoolInfo): { row: number; column: number }[] {
  return Array.from({ length: info.filterHeight * info.filterWidth }, (_, i) => ({
    row: Math.floor(i / info.filterWidth),
    column: i % info.filterWidth,
  }))
}

/** Height and width that the windows cover, from the first padded element on. */
function paddedSize(info: PoolInfo): [number, number] {
  return [(info.outHeight - 1) * info.strideHeight + info.filterHeight, (info.outWidth - 1) * info.strideWidth + info.filterWidth]
}

/**
 * dy where a place of the window holds its first maximum, else 0: each place in turn takes dy if it is a maximum, and leaves nothing to those behind it.
 */
function shareOfFirstMaximum(graph: Graph, places: readonly Value[], max: Value, dy: Value): Value[] {
  let rest = dy
  return places.map((place, i) => {
    if (i === places.length - 1) return rest
    const share = binary(graph, 'Mul', rest, cast(graph, binary(graph, 'Equal', place, max, 'bool'), 'float32'))
    rest = binary(graph, 'Sub', rest, share)
    return share
  })
}

/** The reverse of `windows`: adds the elements of each place where they came from. */
function spread(graph: Graph, parts: readonly Value[], info: PoolInfo): Value {
  if (isTiling(info)) return fromPlaces(graph, parts, tileOf(info), info.inShape)
  const sum = places(info)
    .map(({ row, column }, i) => placeAt(graph, parts[i]!, row, column, info))
    .reduce((total, part) => binary(graph, 'Add', total, part))
  return cropToInput(graph, sum, info)
}

/** A part with zeros between its elements, moved to its place, as large as all windows together. */
function placeAt(graph: Graph, part: Value, row: number, column: number, info: PoolInfo): Value {
  const { batchSize, outHeight, outWidth, inChannels, strideHeight, strideWidth } = info
  const apart = pad(
    graph,
    reshape(graph, part, [batchSize, outHeight, 1, outWidth, 1, inChannels]),
    [
      [0, 0],
      [0, 0],
      [0, strideHeight - 1],
      [0, 0],
      [0, strideWidth - 1],
      [0, 0],
    ],
    0,
  )
  const [height, width] = paddedSize(info)
  const flat = reshape(graph, apart, [batchSize, outHeight * strideHeight, outWidth * strideWidth, inChannels])
  const used = slice(graph, flat, [
    { axis: 1, start: 0, size: (outHeight - 1) * strideHeight + 1 },
    { axis: 2, start: 0, size: (outWidth - 1) * strideWidth + 1 },
  ])
  const after = [height - used.shape[1]! - row, width - used.shape[2]! - column] as const
  return pad(
    graph,
    used,
    [
      [0, 0],
      [row, after[0]],
      [column, after[1]],
      [0, 0],
    ],
    0,
  )
}

/** Cuts off the padding; elements that no window covers get 0. */
function cropToInput(graph: Graph, x: Value, { padInfo, inHeight, inWidth }: PoolInfo): Value {
  const crop = (axis: number, start: number, size: number) => ({ axis, start, size: Math.min(size, x.shape[axis]! - start) })
  const cut = slice(graph, x, [crop(1, padInfo.top, inHeight), crop(2, padInfo.left, inWidth)])
  return pad(
    graph,
    cut,
    [
      [0, 0],
      [0, inHeight - cut.shape[1]!],
      [0, inWidth - cut.shape[2]!],
      [0, 0],
    ],
    0,
  )
}

/** Number of elements of the input under each window, [1, outHeight, outWidth, 1]. */
function windowSizes(graph: Graph, info: PoolInfo): Value {
  const covered = (out: number, stride: number, filter: number, before: number, size: number) =>
    Array.from({ length: out }, (_, i) => Math.min(i * stride - before + filter, size) - Math.max(i * stride - before, 0))
  const rows = covered(info.outHeight, info.strideHeight, info.filterHeight, info.padInfo.top, info.inHeight)
  const columns = covered(info.outWidth, info.strideWidth, info.filterWidth, info.padInfo.left, info.inWidth)
  const sizes = Float32Array.from(rows.flatMap((row) => columns.map((column) => row * column)))
  return graph.constant(sizes, [1, info.outHeight, info.outWidth, 1], 'float32')
}
