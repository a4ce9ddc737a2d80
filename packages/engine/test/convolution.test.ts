import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type HostTensors, type Program, UnsupportedOpError, openDevice } from '../src/index.ts'
import { bool, expectClose, float, functionOf, numbers, runOn, steps } from './compare-devices.ts'

const size = fc.integer({ min: 1, max: 3 })
const padding = fc.constantFrom<Window['pad']>('valid', 'same', 1)

interface Window {
  readonly height: number
  readonly width: number
  readonly filterHeight: number
  readonly filterWidth: number
  readonly strides: [number, number]
  readonly pad: 'valid' | 'same' | number
}

/** Images from the smallest that a window fits in, odd and even. */
const windowCases = fc
  .record<Window>({
    height: fc.integer({ min: 3, max: 9 }),
    width: fc.integer({ min: 3, max: 9 }),
    filterHeight: size,
    filterWidth: size,
    strides: fc.tuple(size, size),
    pad: padding,
  })
  .map(square)

/** TensorFlow.js knows a pad in pixels for square windows only. */
function square(window: Window): Window {
  const { filterHeight, strides } = window
  return window.pad === 1 ? { ...window, filterWidth: filterHeight, strides: [strides[0], strides[0]] } : window
}

const elements = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1)

async function expectSame(program: Program, inputs: HostTensors): Promise<void> {
  const expected = await runOn('reference', program, inputs)
  const found = await runOn('cpu', program, inputs)
  expect(found.specs).toEqual(expected.specs)
  for (const name of Object.keys(expected.outputs)) expectClose(found.outputs[name], expected.outputs[name])
}

const kernel = (name: string, inputs: tf.NamedTensorMap, attrs: object) =>
  tf.engine().runKernel(name, inputs, attrs as tf.NamedAttrMap) as tf.Tensor

test('a convolution and both its gradients agree with the reference for every shape', async () => {
  const cases = fc.record({
    window: windowCases,
    // multiples of 16 fill the blocks in which ONNX Runtime convolves, on every processor
    batch: fc.constantFrom(1, 2, 3, 16),
    channels: fc.constantFrom(1, 3, 8, 9, 16, 32),
    filters: fc.constantFrom(1, 4, 16),
    dilate: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(cases, async ({ window, batch, channels, filters, dilate }) => {
      const xShape = [batch, window.height, window.width, channels] as [number, number, number, number]
      const filterShape = [window.filterHeight, window.filterWidth, channels, filters] as [number, number, number, number]
      // TensorFlow.js has no gradient for dilations, nor strides with them
      const isDilated = dilate && window.pad !== 1
      const attrs = { strides: isDilated ? [1, 1] : window.strides, pad: window.pad, dataFormat: 'NHWC', dilations: isDilated ? 2 : 1 }
      const { outShape } = tf.backend_util.computeConv2DInfo(
        xShape,
        filterShape,
        attrs.strides as [number, number],
        attrs.dilations,
        window.pad as 'valid',
      )
      fc.pre(outShape.every((n) => n > 0))
      const program = functionOf({ x: float(...xShape), filter: float(...filterShape), dy: float(...outShape) }, ({ x, filter, dy }) => ({
        y: kernel('Conv2D', { x: x!, filter: filter! }, attrs),
        ...(!isDilated && {
          dx: kernel('Conv2DBackpropInput', { dy: dy!, filter: filter! }, { ...attrs, inputShape: xShape }),
          dfilter: kernel('Conv2DBackpropFilter', { x: x!, dy: dy! }, { ...attrs, filterShape }),
        }),
      }))
      await expectSame(program, {
        x: numbers(elements(xShape)),
        filter: numbers(elements(filterShape), { phase: 7 }),
        dy: numbers(elements(outShape), { phase: 1 }),
      })
    }),
    { numRuns: 120, seed: 11 },
  )
})

test('poolings and their gradients agree with the reference for every shape, ties included', async () => {
  await fc.assert(
    fc.asyncProperty(windowCases, async ({ height, width, filterHeight, filterWidth, strides, pad }) => {
      const xShape = [2, height, width, 3] as [number, number, number, number]
      const attrs = { filterSize: [filterHeight, filterWidth], strides, pad }
      const { outShape } = tf.backend_util.computePool2DInfo(xShape, [filterHeight, filterWidth], strides, 1, attrs.pad as 'valid')
      const program = functionOf({ x: float(...xShape), dy: float(...outShape) }, ({ x, dy }) => {
        const y = kernel('MaxPool', { x: x! }, attrs)
        return {
          y,
          dx: kernel('MaxPoolGrad', { dy: dy!, input: x!, output: y }, attrs),
          average: kernel('AvgPool', { x: x! }, attrs),
          averageDx: kernel('AvgPoolGrad', { dy: dy!, input: x! }, attrs),
        }
      })
      await expectSame(program, { x: steps(elements(xShape)), dy: numbers(elements(outShape), { phase: 3 }) })
    }),
    { numRuns: 60, seed: 12 },
  )
})

test('a program that needs more of a convolution than its pooling does gets all of it', async () => {
  const program = functionOf({ x: float(2, 8, 9, 2), filter: float(2, 2, 2, 3), mask: float(2, 7, 8, 3) }, ({ x, filter, mask }) => {
    const y = tf.mul(tf.relu(tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, 'valid')), mask!) as tf.Tensor4D
    return { pooled: tf.maxPool(y, 3, 3, 'valid'), y, sum: tf.sum(y, [0, 1, 2]) }
  })
  await expectSame(program, { x: numbers(288), filter: numbers(24), mask: numbers(336, { phase: 4 }) })
})

test('a convolution that is read with its bias, without it, before and after the ReLU is the same everywhere', async () => {
  const shapes = { x: float(2, 6, 7, 16), filter: float(3, 3, 16, 16), bias: float(16), scale: float(1, 1, 1, 16), mask: bool(2, 4, 5, 16) }
  const program = functionOf(shapes, ({ x, filter, bias, scale, mask }) => {
    const y = tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, 'valid')
    const biased = tf.add(y, bias!)
    const positive = tf.relu(biased)
    return {
      y,
      biased,
      positive,
      positiveFirst: tf.add(tf.relu(y), bias!),
      twice: tf.add(biased, bias!),
      scaled: tf.mul(scale!, positive),
      masked: tf.mul(positive, tf.cast(mask!, 'float32')),
      chosen: tf.where(mask!, positive, y),
      residual: tf.add(positive, tf.mul(y, 0.5)),
      isPositive: tf.cast(tf.greater(y, 0), 'float32'),
      perPixel: tf.mul(y, tf.mean(y, 3, true)),
      sums: tf.sum(positive, [0, 1, 2]),
      channelSums: tf.sum(positive, 3),
      flat: tf.reshape(positive, [2, -1]),
    }
  })
  const mask = Uint8Array.from({ length: 640 }, (_, i) => Number(i % 3 > 0))
  await expectSame(program, {
    x: numbers(1344),
    filter: numbers(2304, { phase: 2 }),
    bias: numbers(16),
    scale: numbers(16, { phase: 5 }),
    mask,
  })
})

test('a layout that is not expressed is an error that names the op', async () => {
  const device = await openDevice('cpu')
  const program = functionOf({ x: float(1, 2, 5, 5) }, ({ x }) => ({
    y: tf.conv2d(x as tf.Tensor4D, tf.ones([2, 2, 2, 1]), 1, 'valid', 'NCHW'),
  }))
  await expect(device.compile(program)).rejects.toThrow(UnsupportedOpError)
  await expect(device.compile(program)).rejects.toThrow('Conv2D with data format NCHW')
})
