import * as tf from '@tensorflow/tfjs-core'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { exportOnnx, type Program, ProgramError } from '../src/index.ts'
import { reachableNodes } from '../src/graph/graph.ts'
import { traceProgram } from '../src/trace/trace-program.ts'
import { float, numbers } from './compare-devices.ts'
import { smallNetwork } from './small-network.ts'

const classifier: Program = {
  state: { kernel: float(6, 3), bias: float(3) },
  inputs: { images: float(2, 6) },
  run: ({ kernel, bias }, { images }) => {
    const logits = tf.add(tf.matMul(images as tf.Tensor2D, kernel as tf.Tensor2D), bias!)
    return { state: {}, outputs: { probabilities: tf.softmax(logits), images: images! } }
  },
}
const named = (outputs: (images: tf.Tensor, probabilities: tf.Tensor) => tf.NamedTensorMap): Program => ({
  ...classifier,
  run: (state, inputs) => {
    const { outputs: all } = classifier.run(state, inputs)
    return { state: {}, outputs: outputs(all['images']!, all['probabilities']!) }
  },
})

test('an exported model runs on its own, under the names of the program', async () => {
  const [kernel, bias] = [numbers(18), numbers(3)]
  const model = exportOnnx(
    named((_, probabilities) => ({ probabilities })),
    { kernel, bias },
  )
  const session = await InferenceSession.create(model)
  expect(session.inputNames).toEqual(['images'])
  const { probabilities } = await session.run({ images: new Tensor('float32', numbers(12, { phase: 5 }), [2, 6]) })
  const expected = tf.tidy(() => {
    const logits = tf.add(tf.matMul(tf.tensor2d(numbers(12, { phase: 5 }), [2, 6]), tf.tensor2d(kernel, [6, 3])), tf.tensor1d(bias))
    return [...tf.softmax(logits).dataSync()]
  })
  expect([...(probabilities!.data as Float32Array)]).toEqual(expected.map((p) => expect.closeTo(p, 5)))
})

test('state that is no constant becomes an input, state that changes an output', async () => {
  const session = await InferenceSession.create(exportOnnx(smallNetwork))
  expect(session.inputNames).toEqual([...Object.keys(smallNetwork.inputs), ...Object.keys(smallNetwork.state)])
  expect(session.outputNames).toEqual(expect.arrayContaining(['loss', 'next/conv1', 'next/v/dense']))
  expect(session.outputNames).not.toContain('next/untouched')
})

test('two tensors with one name are an error', () => {
  expect(() => exportOnnx(classifier, { kernel: numbers(18), bias: numbers(3) })).toThrow(ProgramError)
  expect(() => exportOnnx(named((images, probabilities) => ({ probabilities, bias: images })))).toThrow('two tensors with the name "bias"')
})

test('the columns of a convolution are made once, for itself and the gradient of its filter, and only as far as something needs them', () => {
  const { graph, nextState, outputs } = traceProgram(smallNetwork)
  const needed = reachableNodes(graph, [...nextState.values(), ...outputs.values()])
  const columns = needed.filter(({ op }) => op === 'Gather').map(({ outputs: [value] }) => value!.shape)
  // where there are few channels, one piece per pixel and row of the filter, or of the patch that four pixels before a pooling share,
  // else one per pixel and place of the filter:
  // 2×4 of 3×5 pixels reach the last pooling, hence 3×5 of 4×6 the last convolution, and 10×14 of 13×16 the first pooling
  expect(columns.map(([, windows]) => windows)).toEqual([5 * 7 * 4, 3 * 5 * 3, 2 * 4 * 4])
  expect(needed.filter(({ op }) => op === 'ConvTranspose')).toHaveLength(2)
})

describe('a convolution whose channels fill blocks', () => {
  const layers: Program = {
    state: {},
    inputs: { x: float(16, 8, 8, 16), filter1: float(3, 3, 16, 16), bias: float(16), filter2: float(3, 3, 16, 32) },
    run: (_state, { x, filter1, bias, filter2 }) => {
      const hidden = tf.relu(tf.add(tf.conv2d(x as tf.Tensor4D, filter1 as tf.Tensor4D, 1, 'valid'), bias!)) as tf.Tensor4D
      return { state: {}, outputs: { y: tf.conv2d(hidden, filter2 as tf.Tensor4D, 1, 'valid') } }
    },
  }
  const operatorsOf = (channelBlock?: number) => {
    const { graph, outputs } = traceProgram(layers, { channelBlock })
    return reachableNodes(graph, outputs.values()).map(({ op }) => op)
  }

  test('is made of standard operators where the graph is to run anywhere', () => {
    expect(operatorsOf().filter((op) => op.includes('.'))).toEqual([])
  })

  test('leaves its result in blocks for the next one, with bias and ReLU', () => {
    const nodes = operatorsOf(8).filter((op) => op !== 'Reshape' && op !== 'Transpose')
    const nchwc = (op: string) => `com.microsoft.nchwc.${op}`
    expect(nodes).toEqual([nchwc('ReorderInput'), nchwc('Conv'), nchwc('Conv'), nchwc('ReorderOutput')])
  })
})
