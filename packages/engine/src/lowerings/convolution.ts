import { backend_util } from '@tensorflow/tfjs-core'
import { UnsupportedOpError } from '../errors.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { elementCount } from '../host-tensors.ts'
import type { Lowerings } from '../trace/lowering.ts'
import { concat, gemm, pad, reshape, slice, transpose } from './build.ts'

type Shape4 = [number, number, number, number]
type ConvInfo = ReturnType<typeof backend_util.computeConv2DInfo>

interface ConvAttrs {
  readonly strides: [number, number] | number
  readonly pad: 'valid' | 'same' | number | [[number, number], [number, number], [number, number], [number, number]]
  readonly dataFormat: 'NHWC' | 'NCHW'
  readonly dilations?: [number, number] | number
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil'
}

/**
 * Convolutions as matrix products. The columns of an image, its filter windows side by side, are one value for the convolution and for the
 * gradient of its filter, so they are made once.
 */
export const convolutionLowerings: Lowerings = {
  Conv2D: (graph, { x, filter }, attrs: ConvAttrs) => {
    const info = convInfo('Conv2D', x!.shape, filter!.shape, attrs)
    return convolve(graph, x!, filter!, info)
  },
  Conv2DBackpropFilter: (graph, { x, dy }, attrs: ConvAttrs & { filterShape: Shape4 }) => {
    const info = convInfo('Conv2DBackpropFilter', x!.shape, attrs.filterShape, attrs)
    const product = gemm(graph, columns(graph, x!, info), rowsOf(graph, dy!), { transA: 1 })
    return reshape(graph, product, attrs.filterShape)
  },
  Conv2DBackpropInput: (graph, { dy, filter }, attrs: ConvAttrs & { inputShape: Shape4 }) => {
    const info = convInfo('Conv2DBackpropInput', attrs.inputShape, filter!.shape, attrs)
    return isPlain(info) ? correlate(graph, dy!, filter!, info) : transposedConvolution(graph, dy!, filter!, info)
  },
}

function convInfo(op: string, x: readonly number[], filter: readonly number[], attrs: ConvAttrs): ConvInfo {
  if (attrs.dataFormat !== 'NHWC') throw new UnsupportedOpError(op, `data format ${attrs.dataFormat}`)
  return backend_util.computeConv2DInfo(
    [...x] as Shape4,
    [...filter] as Shape4,
    attrs.strides,
    attrs.dilations ?? 1,
    attrs.pad as 'valid',
    attrs.dimRoundingMode,
    false,
    'channelsLast',
  )
}

function isPlain({ strideHeight, strideWidth, dilationHeight, dilationWidth }: ConvInfo): boolean {
  return strideHeight === 1 && strideWidth === 1 && dilationHeight === 1 && dilationWidth === 1
}

function convolve(graph: Graph, x: Value, filter: Value, info: ConvInfo): Value {
  const matrix = reshape(graph, filter, [elementCount(filter.shape.slice(0, 3)), info.outChannels])
  return reshape(graph, gemm(graph, columns(graph, x, info), matrix), info.outShape)
}

/** im2col: [batch·outHeight·outWidth, filterHeight·filterWidth·inChannels]. */
function columns(graph: Graph, x: Value, info: ConvInfo): Value {
  const { top, bottom, left, right } = info.padInfo
  const padded = pad(
    graph,
    x,
    [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ],
    0,
  )
  const windows: Value[] = []
  for (let row = 0; row < info.filterHeight; row++) {
    for (let column = 0; column < info.filterWidth; column++) {
      windows.push(
        slice(graph, padded, [
          { axis: 1, start: row * info.dilationHeight, size: info.outHeight, step: info.strideHeight },
          { axis: 2, start: column * info.dilationWidth, size: info.outWidth, step: info.strideWidth },
        ]),
      )
    }
  }
  const size = info.filterHeight * info.filterWidth * info.inChannels
  return reshape(graph, concat(graph, windows, 3), [info.batchSize * info.outHeight * info.outWidth, size])
}

/** [batch, height, width, channels] → [batch·height·width, channels]. */
function rowsOf(graph: Graph, x: Value): Value {
  const channels = x.shape.at(-1)!
  return reshape(graph, x, [elementCount(x.shape) / channels, channels])
}

/** Gradient of the input at stride 1: dy, padded, convolved with the filter turned by 180°. */
function correlate(graph: Graph, dy: Value, filter: Value, info: ConvInfo): Value {
  const { top, left } = info.padInfo
  const [height, width] = [info.filterHeight, info.filterWidth]
  const turned = slice(graph, filter, [
    { axis: 0, start: height - 1, size: height, step: -1 },
    { axis: 1, start: width - 1, size: width, step: -1 },
  ])
  const before = [height - 1 - top, width - 1 - left] as const
  const after = [info.inHeight - info.outHeight + top, info.inWidth - info.outWidth + left] as const
  const padded = pad(
    graph,
    dy,
    [
      [0, 0],
      [before[0], after[0]],
      [before[1], after[1]],
      [0, 0],
    ],
    0,
  )
  const filterShape = [height, width, info.outChannels, info.inChannels] as Shape4
  const back = backend_util.computeConv2DInfo([...padded.shape] as Shape4, filterShape, 1, 1, 'valid')
  return convolve(graph, padded, transpose(graph, turned, [0, 1, 3, 2]), back)
}

/** Gradient of the input for strides and dilations, through ONNX' own transposed convolution. */
function transposedConvolution(graph: Graph, dy: Value, filter: Value, info: ConvInfo): Value {
  const { top, bottom, left, right } = info.padInfo
  const inputs = [transpose(graph, dy, [0, 3, 1, 2]), transpose(graph, filter, [3, 2, 0, 1])]
  const rest = (size: number, out: number, stride: number, window: number, padding: number) =>
    size - ((out - 1) * stride + window - padding)
  const attributes = {
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    pads: [top, left, bottom, right],
    output_padding: [
      rest(info.inHeight, info.outHeight, info.strideHeight, info.effectiveFilterHeight, top + bottom),
      rest(info.inWidth, info.outWidth, info.strideWidth, info.effectiveFilterWidth, left + right),
    ],
  }
  const shape = [info.batchSize, info.inChannels, info.inHeight, info.inWidth]
  return transpose(graph, graph.add('ConvTranspose', inputs, { shape, dtype: 'float32' }, attributes), [0, 2, 3, 1])
}
