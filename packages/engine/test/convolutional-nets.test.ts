import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type HostTensors, type Program, type TensorSpecs } from '../src/index.ts'
import { expectClose, float, numbers, runOn } from './compare-devices.ts'
import { registerTestGradients } from './gradients.ts'

registerTestGradients()

interface Layer {
  readonly kind: 'conv' | 'max' | 'average'
  readonly size: number
  readonly stride: number
  readonly pad: 'valid' | 'same'
  readonly relu: boolean
  readonly bias: boolean
}

interface Net {
  readonly height: number
  readonly width: number
  readonly batch: number
  readonly channels: number
  readonly filters: number
  readonly layers: readonly Layer[]
}

const layer = fc.record<Layer>({
  kind: fc.constantFrom('conv', 'conv', 'max', 'average'),
  size: fc.integer({ min: 1, max: 3 }),
  stride: fc.integer({ min: 1, max: 2 }),
  pad: fc.constantFrom('valid', 'same'),
  relu: fc.boolean(),
  bias: fc.boolean(),
})

/** Averages of 1, 2 and 4 elements are exact. */
const exactLayer = layer.map((layer) => (layer.kind === 'average' ? { ...layer, size: Math.min(layer.size, 2) } : layer))

const nets = fc.record<Net>({
  height: fc.integer({ min: 4, max: 10 }),
  width: fc.integer({ min: 4, max: 10 }),
  // multiples of 16 fill the blocks in which ONNX Runtime convolves, on every processor
  batch: fc.constantFrom(2, 16),
  channels: fc.constantFrom(1, 2, 9, 16),
  filters: fc.constantFrom(3, 16),
  layers: fc.array(exactLayer, { minLength: 2, maxLength: 4 }),
})

function outputSize(size: number, { size: window, stride, pad }: Layer): number {
  return Math.ceil((pad === 'same' ? size : size - window + 1) / stride)
}

/** Whether an image is left behind every layer. */
function fits({ height, width, layers }: Net): boolean {
  let [rows, columns] = [height, width]
  return layers.every((layer) => {
    ;[rows, columns] = [outputSize(rows, layer), outputSize(columns, layer)]
    return rows > 0 && columns > 0
  })
}

function weightSpecs({ channels, filters, layers }: Net): TensorSpecs {
  const specs: Record<string, ReturnType<typeof float>> = {}
  let inputs = channels
  layers.forEach(({ kind, size, bias }, i) => {
    if (kind !== 'conv') return
    specs[`filter${i}`] = float(size, size, inputs, filters)
    if (bias) specs[`bias${i}`] = float(filters)
    inputs = filters
  })
  return specs
}

function applyLayer(x: tf.Tensor4D, { kind, size, stride, pad, relu }: Layer, filter?: tf.Tensor, bias?: tf.Tensor): tf.Tensor4D {
  if (kind === 'max') return tf.maxPool(x, size, stride, pad)
  if (kind === 'average') return tf.avgPool(x, size, stride, pad)
  const sums = tf.conv2d(x, filter as tf.Tensor4D, stride, pad)
  const y = bias ? (tf.add(sums, bias) as tf.Tensor4D) : sums
  return relu ? tf.relu(y) : y
}

/** Output of a net, its loss, and the gradients of the loss for image and filters. */
function programOf(net: Net): Program {
  const weights = weightSpecs(net)
  const names = Object.keys(weights)
  const forward = (x: tf.Tensor, values: readonly tf.Tensor[]) =>
    net.layers.reduce((image, layer, i) => {
      const [filter, bias] = ['filter', 'bias'].map((kind) => values[names.indexOf(`${kind}${i}`)])
      return applyLayer(image, layer, filter, bias)
    }, x as tf.Tensor4D)
  return {
    state: {},
    inputs: { x: float(net.batch, net.height, net.width, net.channels), ...weights },
    run: (_state, { x, ...values }) => {
      const parameters = [x!, ...names.map((name) => values[name]!)]
      const { value, grads } = tf.valueAndGrads((image, ...rest) => {
        const y = forward(image!, rest)
        return tf.mean(tf.mul(y, y))
      })(parameters)
      const outputs: tf.NamedTensorMap = { loss: value, y: forward(x!, parameters.slice(1)) }
      grads.forEach((gradient, i) => (outputs[`gradient${i}`] = gradient))
      return { state: {}, outputs }
    },
  }
}

async function expectSameAsReference(net: Net): Promise<void> {
  const program = programOf(net)
  const inputs: HostTensors = {}
  Object.entries(program.inputs).forEach(([name, { shape }], i) => {
    // small integers, so that equal elements of a pooling are equal whatever the order of the sums before
    inputs[name] = numbers(
      shape.reduce((product, n) => product * n, 1),
      { phase: 11 * i },
    ).map(Math.round)
  })
  const [expected, found] = [await runOn('reference', program, inputs), await runOn('cpu', program, inputs)]
  expect(found.specs).toEqual(expected.specs)
  for (const name of Object.keys(expected.outputs)) expectClose(found.outputs[name], expected.outputs[name])
}

const conv = (size: number, stride = 1): Layer => ({ kind: 'conv', size, stride, pad: 'valid', relu: false, bias: false })

test('a 1×1 convolution before one that drops the last row and column has the gradients of the reference', async () => {
  await expectSameAsReference({ batch: 2, height: 5, width: 5, channels: 2, filters: 3, layers: [conv(1), conv(2, 2)] })
})

test('a padded convolution keeps its bias and its ReLU where the next layer reads only a part of it', async () => {
  const padded: Layer = { kind: 'conv', size: 2, stride: 1, pad: 'same', relu: true, bias: true }
  for (const channels of [1, 16]) {
    await expectSameAsReference({ batch: 2, height: 4, width: 4, channels, filters: 16, layers: [padded, conv(1, 2)] })
  }
})

test('nets of convolutions and poolings, and all their gradients, agree with the reference', async () => {
  await fc.assert(
    fc.asyncProperty(nets.filter(fits), async (net) => expectSameAsReference(net)),
    { numRuns: 90, seed: 13 },
  )
}, 60_000)
