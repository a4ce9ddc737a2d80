import * as tf from '@tensorflow/tfjs-core'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  DataDependentError,
  describeDevices,
  DeviceUnavailableError,
  DisposedError,
  openDevice,
  type Program,
  ProgramError,
  StateNotWrittenError,
  TensorsError,
  UnsupportedOpError,
} from '../src/index.ts'
import { float, functionOf } from './compare-devices.ts'
import { batchOfStep, initialState, smallNetwork } from './small-network.ts'

/** state: sum += x; outputs: the new sum, and whether it is above 2 */
const accumulator: Program = {
  state: { sum: float(2), scale: float(2), flags: { shape: [2], dtype: 'bool' }, count: { shape: [], dtype: 'int32' } },
  inputs: { x: float(2) },
  run({ sum, scale, flags, count }, { x }) {
    const next = tf.add(sum!, tf.mul(x!, scale!))
    const above = tf.greater(next, 2)
    return {
      state: { sum: next, scale: scale!, flags: tf.logicalOr(flags!, above), count: tf.add(count!, tf.scalar(1, 'int32')) },
      outputs: { next, again: next, above, x: x! },
    }
  },
}
const start = () => ({ sum: Float32Array.of(1, 2), scale: Float32Array.of(1, 10), flags: Uint8Array.of(0, 0), count: Int32Array.of(7) })

// the backend that TensorFlow.js has before is the one that it has after whatever a device does
beforeAll(() => tf.setBackend('cpu'))
afterEach(() => expect(tf.getBackend()).toBe('cpu'))

describe.each(['cpu', 'reference'])('device %s', (name) => {
  const compile = async (program: Program, constants = {}) => (await openDevice(name)).compile(program, { constants })

  test('state stays inside between runs and is read out on request', async () => {
    const program = await compile(accumulator)
    await program.writeState(start())
    expect(await program.run({ x: Float32Array.of(0.5, 0) })).toEqual({
      next: Float32Array.of(1.5, 2),
      again: Float32Array.of(1.5, 2),
      above: Uint8Array.of(0, 0),
      x: Float32Array.of(0.5, 0),
    })
    await program.run({ x: Float32Array.of(0, 1) })
    await program.run({ x: Float32Array.of(0, -2) })
    const expected = { sum: Float32Array.of(1.5, -8), scale: Float32Array.of(1, 10), flags: Uint8Array.of(0, 1), count: Int32Array.of(10) }
    expect(await program.readState()).toEqual(expected)
    await program.writeState(start())
    expect(await program.readState()).toEqual(start())
  })

  test('arrays of the caller stay the caller’s: later changes reach nothing inside, and nothing inside changes them', async () => {
    const program = await compile(accumulator)
    const state = start()
    await program.writeState(state)
    state.sum.fill(99)
    const x = Float32Array.of(1, 1)
    const first = await program.run({ x })
    x.fill(50)
    first['next']!.fill(-1)
    ;(await program.readState())['sum']!.fill(-1)
    expect((await program.run({ x: Float32Array.of(0, 0) }))['next']).toEqual(Float32Array.of(2, 12))
    expect(first['x']).toEqual(Float32Array.of(1, 1))
  })

  test('a state is the one that the caller had when it was written, also behind other calls', async () => {
    const program = await compile(accumulator)
    const first = program.writeState(start())
    const state = start()
    const second = program.writeState(state)
    state.sum.fill(99)
    state.count = Int32Array.of(-1)
    await Promise.all([first, second])
    expect(await program.readState()).toEqual(start())
  })

  test('calls that are made at once take effect in their order', async () => {
    const program = await compile(accumulator)
    const results = await Promise.all([
      program.writeState(start()),
      program.run({ x: Float32Array.of(1, 0) }),
      program.run({ x: Float32Array.of(1, 0) }),
      program.readState(),
    ])
    expect(results[2]['next']).toEqual(Float32Array.of(3, 2))
    expect(results[3]['count']).toEqual(Int32Array.of(9))
  })

  test('constants are baked in and leave the state', async () => {
    const scale = Float32Array.of(2, 3)
    const program = await compile(accumulator, { scale })
    scale.fill(0)
    const { scale: _, ...rest } = start()
    await program.writeState(rest)
    expect((await program.run({ x: Float32Array.of(1, 1) }))['next']).toEqual(Float32Array.of(3, 5))
    expect(Object.keys(await program.readState())).toEqual(['sum', 'flags', 'count'])
  })

  test('missing, unknown, short and mistyped tensors are errors that name the entry, and change nothing', async () => {
    const program = await compile(accumulator)
    await expect(program.run({ x: Float32Array.of(1, 1) })).rejects.toThrow(StateNotWrittenError)
    await expect(program.readState()).rejects.toThrow(StateNotWrittenError)
    await expect(program.writeState({ ...start(), sum: Float32Array.of(1) })).rejects.toThrow('State "sum": [2] has 2 elements, not 1')
    await program.writeState(start())
    await expect(program.run({})).rejects.toThrow('Input "x": missing')
    await expect(program.run({ x: Float32Array.of(1, 2), y: Float32Array.of(1) })).rejects.toThrow(
      'Input "y": the program has no such entry',
    )
    await expect(program.run({ x: Int32Array.of(1, 2) })).rejects.toThrow('a float32 tensor is a Float32Array, not Int32Array')
    await expect(program.run({ x: [1, 2] as never })).rejects.toThrow(TensorsError)
    await expect(program.writeState({})).rejects.toThrow(TensorsError)
    expect(await program.readState()).toEqual(start())
  })

  test('a program whose state does not fit its declaration is an error', async () => {
    const wrong = (state: tf.NamedTensorMap): Program => ({ state: { a: float(2) }, inputs: {}, run: () => ({ state, outputs: {} }) })
    await expect(compile(wrong({ a: tf.zeros([3]) }))).rejects.toThrow('State "a" is declared float32[2], but returned as float32[3]')
    await expect(compile(wrong({ b: tf.zeros([2]) }))).rejects.toThrow(ProgramError)
    await expect(compile({ ...accumulator, state: { sum: float(-1) } })).rejects.toThrow('State "sum": impossible shape [-1]')
    await expect(compile(accumulator, { missing: Float32Array.of(1) })).rejects.toThrow('Constant "missing" is not an entry of the state')
    await expect(compile(accumulator, { scale: Float32Array.of(1) })).rejects.toThrow(TensorsError)
  })

  test('an error inside a program passes through, and the next program compiles', async () => {
    const broken = functionOf({ x: float(2) }, () => {
      throw new RangeError('of the program')
    })
    await expect(compile(broken)).rejects.toThrow('of the program')
    await expect(compile(functionOf({ x: float(2) }, ({ x }) => ({ y: tf.add(x!, tf.ones([3])) })))).rejects.toThrow(
      'could not be broadcast',
    )
    const program = await compile(accumulator)
    await program.writeState(start())
    expect(Object.keys(await program.run({ x: Float32Array.of(0, 0) }))).toEqual(['next', 'again', 'above', 'x'])
  })

  test('programs and devices that were disposed say so', async () => {
    const device = await openDevice(name)
    const program = await device.compile(accumulator)
    await program.writeState(start())
    program.dispose()
    program.dispose()
    await expect(program.run({ x: Float32Array.of(0, 0) })).rejects.toThrow(DisposedError)
    await expect(program.writeState(start())).rejects.toThrow(DisposedError)
    device.dispose()
    await expect(device.compile(accumulator)).rejects.toThrow(DisposedError)
  })

  test('no tensor of TensorFlow.js is left behind', async () => {
    const before = tf.memory().numTensors
    const program = await compile(smallNetwork)
    await program.writeState(initialState())
    await program.run(batchOfStep(0))
    const inUse = tf.memory().numTensors
    for (let step = 1; step < 4; step++) await program.run(batchOfStep(step))
    expect(tf.memory().numTensors).toBe(inUse)
    program.dispose()
    expect(tf.memory().numTensors).toBe(before)
  })
})

describe('compiling', () => {
  test('an error in the middle of a gradient leaves no scope and no tape of TensorFlow.js open', async () => {
    const device = await openDevice('cpu')
    const program = functionOf({ x: float(2, 3) }, ({ x }) => {
      const loss = tf.grad((y) => tf.sum(tf.square(tf.topk(tf.mul(y, 2), 2).values)))
      return { dx: loss(x!) }
    })
    const { gradientDepth, kernelDepth, scopeStack } = tf.engine().state
    const openScopes = scopeStack.length
    await expect(device.compile(program)).rejects.toThrow(UnsupportedOpError)
    expect(tf.engine().state).toMatchObject({ gradientDepth, kernelDepth })
    expect(tf.engine().state.scopeStack).toHaveLength(openScopes)
  })

  test('an op without a lowering is an error that names it', async () => {
    const device = await openDevice('cpu')
    const program = functionOf({ x: float(4, 4) }, ({ x }) => ({ y: tf.topk(x!, 2).values }))
    await expect(device.compile(program)).rejects.toThrow(UnsupportedOpError)
    await expect(device.compile(program)).rejects.toMatchObject({ op: 'TopK', code: 'UNSUPPORTED_OP' })
  })

  test.each<[string, (tensors: Record<string, tf.Tensor>) => tf.Tensor]>([
    ['Asin', ({ ids }) => tf.asin(ids!)],
    ['Expm1', ({ ids }) => tf.expm1(ids!)],
    ['Reciprocal', ({ ids }) => tf.reciprocal(ids!)],
    ['Softplus', ({ ids }) => tf.softplus(ids!)],
    ['Add', ({ flags }) => tf.add(flags!, flags!)],
    ['Multiply', ({ flags }) => tf.mul(flags!, flags!)],
    ['Neg', ({ flags }) => tf.neg(flags!)],
    ['BatchMatMul', ({ flags }) => tf.matMul(flags!, flags!)],
  ])('%s of a dtype that it is not for is an error that names it', async (op, f) => {
    const specs = { ids: { shape: [2, 2], dtype: 'int32' }, flags: { shape: [2, 2], dtype: 'bool' } } as const
    const program = functionOf(specs, (tensors) => ({ y: f(tensors) }))
    await expect((await openDevice('cpu')).compile(program)).rejects.toMatchObject({ op, code: 'UNSUPPORTED_OP' })
  })

  test('reading a symbolic tensor is an error, whichever way it is read', async () => {
    const device = await openDevice('cpu')
    const reading = (read: (x: tf.Tensor) => unknown) =>
      device.compile(
        functionOf({ x: float(2) }, ({ x }) => {
          const doubled = tf.mul(x!, 2)
          return { y: tf.mul(doubled, read(doubled) as number) }
        }),
      )
    await expect(reading((x) => x.dataSync()[0])).rejects.toThrow(DataDependentError)
    await expect(reading((x) => x.arraySync())).rejects.toThrow(DataDependentError)
  })

  test('tensors made outside a program become constants of it and stay usable', async () => {
    const outside = tf.tensor([1, 2])
    const program = await (await openDevice('cpu')).compile(functionOf({ x: float(2) }, ({ x }) => ({ y: tf.add(x!, outside) })))
    expect(await program.run({ x: Float32Array.of(10, 20) })).toEqual({ y: Float32Array.of(11, 22) })
    expect([...outside.dataSync()]).toEqual([1, 2])
    outside.dispose()
  })
})

describe('openDevice', () => {
  test('refuses unknown devices and impossible numbers of threads', async () => {
    await expect(openDevice('toString')).rejects.toThrow(DeviceUnavailableError)
    for (const threads of [0, 1.5, -1, 1e9, Number.NaN]) await expect(openDevice('cpu', { threads })).rejects.toThrow(ProgramError)
  })

  test('says of every device what executes, or why it is not available', async () => {
    const devices = await describeDevices()
    expect(devices.map(({ name }) => name)).toEqual(['cpu', 'tensorflow', 'reference'])
    for (const { name, available, detail } of devices) {
      if (available) expect((await openDevice(name)).detail).toBe(detail)
      else await expect(openDevice(name)).rejects.toThrow(detail)
    }
    expect(devices[0]).toMatchObject({ available: true, detail: expect.stringMatching(/^ONNX Runtime \d+\.\d+\.\d+, CPU$/) })
  })

  test('threads work together on one step', async () => {
    const program = await (await openDevice('cpu', { threads: 2 })).compile(smallNetwork)
    await program.writeState(initialState())
    expect((await program.run(batchOfStep(0)))['loss']![0]).toBeGreaterThan(0)
  })
})
