import type { HostTensors } from '@noprop/engine'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it, test } from 'vitest'
import { buildModel, type TrainingUnit } from '../src/index.ts'
import { cosineSchedule } from '../src/schedule/cosine-schedule.ts'
import { expectAllClose } from './expect-close.ts'
import { batchSize, expectExactGradients, itIsATrainingUnit, type Trained } from './unit-properties.ts'
import { type Call, runChain, runProgram, stepAt, syntheticBatch, tinyConfig, toTensors } from './run-program.ts'

const model = buildModel(tinyConfig)
const [head, firstBlock, secondBlock] = model.units as [TrainingUnit, TrainingUnit, TrainingUnit]
const batch = syntheticBatch(tinyConfig, batchSize)
const at = stepAt

function train(unit: TrainingUnit, steps: number, seed = 1, learningRate = 1e-2): Trained {
  const program = unit.trainingProgram(batchSize)
  let state = unit.initialState(seed)
  const metrics: Record<string, number>[] = []
  for (let step = 0; step < steps; step++) {
    const result = runProgram(program, state, unit.stepInputs(batch, at(step, seed, learningRate)))
    state = result.state
    metrics.push(unit.readMetrics(result.outputs))
  }
  return { state, metrics }
}

/** The inputs of a step in arrays of their own. */
function copyInputs(inputs: HostTensors): HostTensors {
  return Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, values.slice()]))
}

describe('training a block', () => itIsATrainingUnit({ config: tinyConfig, block: 3, loss: 'denoising_loss' }))
describe('training the head', () => itIsATrainingUnit({ config: tinyConfig, block: 0, loss: 'cross_entropy' }))

describe('metrics', () => {
  it('of a block are its loss, the weighted loss, accuracy, gradient norm and update ratio', () => {
    const [first] = train(secondBlock, 1).metrics
    expect(Object.keys(first!).sort()).toEqual(['accuracy', 'denoising_loss', 'gradient_norm', 'update_ratio', 'weighted_loss'])
    const weight = (tinyConfig.blocks / 2) * tinyConfig.eta * cosineSchedule(tinyConfig.blocks).snrGain(2)
    expect(first!['weighted_loss']).toBeCloseTo(weight * first!['denoising_loss']!, 6)
  })

  it('of the head have the cross-entropy in place of the losses', () => {
    expect(Object.keys(train(head, 1).metrics[0]!).sort()).toEqual(['accuracy', 'cross_entropy', 'gradient_norm', 'update_ratio'])
  })

  it('have the norm of the whole gradient', () => {
    // After one step from zero the first moment, kept as a sum, is the gradient.
    const { state, metrics } = train(secondBlock, 1)
    const squares = Object.entries(state).filter(([name]) => name.startsWith('optimizer.m/'))
    const norm = Math.sqrt(squares.reduce((sum, [, values]) => sum + Math.hypot(...values) ** 2, 0))
    expect(metrics[0]!['gradient_norm']! / norm).toBeCloseTo(1, 4)
  })
})

describe('the gradient of a block', () => {
  it('agrees with finite differences of its loss for every weight tensor', () => {
    expectExactGradients({
      config: { ...tinyConfig, noiseSamples: 2 },
      block: 3,
      loss: (outputs) => outputs['weighted_loss']![0]!,
      atLeast: ['image.conv1.kernel', 'image.conv2.kernel', 'image.dense.kernel', 'label.dense3.kernel', 'fusion.dense3.bias'],
    })
  })

  it('is taken as 0 on weights that batch norm removes, which then only decay', () => {
    const { state } = train(firstBlock, 1)
    const before = firstBlock.initialState(1)
    for (const name of ['label.dense2.bias', 'image.dense.bias', 'image.norm.offset', 'label.norm3.offset']) {
      const decayed = (before[name] as Float32Array).map((value) => value * (1 - 1e-2 * tinyConfig.weightDecay))
      expectAllClose(state[name] as Float32Array, decayed)
      expect(new Set(state[`optimizer.m/${name}`])).toEqual(new Set([0]))
    }
  })

  it.each(['label.dense2.bias', 'image.dense.bias', 'image.norm.offset', 'label.norm3.offset', 'fusion.dense1.bias'])(
    'leaves out %s rightly: moving it does not change the loss',
    (name) => {
      const program = firstBlock.trainingProgram(batchSize)
      const inputs = copyInputs(firstBlock.stepInputs(batch, at(0)))
      const state = firstBlock.initialState(1)
      const moved = { ...state, [name]: (state[name] as Float32Array).map((value, i) => value + Math.sin(i)) }
      const loss = (from: HostTensors) => runProgram(program, from, inputs).outputs['denoising_loss']!
      expectAllClose(loss(moved), loss(state))
    },
  )
})

describe('the units of a model', () => {
  const everyUnit = model.units.map((unit) => unit.block)
  const programs = model.units.map((unit) => unit.trainingProgram(batchSize))
  const initialStates = () => new Map(model.units.map((unit) => [unit.block, unit.initialState(1)]))

  /** All weights of the model as variables of one tape; those of unit t are `states[t]`. */
  function assembled() {
    const variables: tf.Variable[] = []
    const states = model.units.map((unit) => {
      const tensors = toTensors(programs[unit.block]!.state, unit.initialState(1))
      const weights = Object.keys(tensors).filter((name) => !name.includes('/'))
      for (const name of weights)
        variables.push((tensors[name] = tf.variable(tensors[name]!, true, `unit${unit.block}/${name}`)) as tf.Variable)
      return tensors
    })
    return { variables, states, dispose: () => tf.dispose(variables) }
  }

  /** The units on whose weights a loss depends: their gradient exists, and is not 0 everywhere. */
  function unitsReached(loss: () => tf.Scalar, variables: tf.Variable[]): number[] {
    const { grads } = tf.variableGrads(loss, variables)
    const reached = Object.entries(grads).filter(([, gradient]) => (gradient as tf.Tensor | null)?.dataSync().some((x) => x !== 0))
    return [...new Set(reached.map(([name]) => Number(/^unit(\d+)/.exec(name)![1])))].sort()
  }

  it.each(everyUnit)(
    'are apart in the loss of unit %i: of all weights of the model on one tape, it has a gradient on its own alone',
    (t) => {
      const { variables, states, dispose } = assembled()
      tf.tidy(() => {
        const inputs = toTensors(programs[t]!.inputs, model.units[t]!.stepInputs(batch, at(0)))
        const loss = () => programs[t]!.run(states[t]!, inputs).outputs[t === 0 ? 'cross_entropy' : 'weighted_loss'] as tf.Scalar
        expect(unitsReached(loss, variables)).toEqual([t])
      })
      dispose()
    },
  )

  it('are joined by the chain, whose head has a gradient on all of them', async () => {
    const { variables, dispose } = assembled()
    const chain = model.chain({ batchSize, samples: [true] })
    const program = chain.programs['chain']!
    const calls: Call[] = []
    await runChain(chain, initialStates(), { images: batch.images, keys: [1, 2, 3, 4, 5, 6], calls })
    tf.tidy(() => {
      const inputs = toTensors(program.inputs, calls[0]!.inputs)
      const weights = toTensors(program.state, chain.weights(initialStates())['chain']!)
      for (const variable of variables) {
        const name = variable.name.replace('unit0/', '').replace('unit', 'block')
        if (name in weights) weights[name] = variable
      }
      const loss = () => {
        const { head: probabilities } = program.run(weights, inputs).outputs
        return tf.sum(tf.mul(probabilities!, probabilities!)) as tf.Scalar
      }
      expect(unitsReached(loss, variables)).toEqual(everyUnit)
    })
    dispose()
  })

  it.each(everyUnit)('keep state and inputs when unit %i takes a step', (t) => {
    const states = initialStates()
    const others = model.units.filter((unit) => unit.block !== t)
    const inputs = new Map(others.map((unit) => [unit.block, unit.stepInputs(batch, at(0))]))
    const before = others.map(({ block }) => [copyInputs(states.get(block)!), copyInputs(inputs.get(block)!)])
    const stepped = runProgram(programs[t]!, states.get(t)!, model.units[t]!.stepInputs(batch, at(5, 9))).state
    expect(stepped).not.toEqual(states.get(t))
    expect(others.map(({ block }) => [states.get(block)!, inputs.get(block)!])).toEqual(before)
  })

  it('write under names of their own in the weights of the chain, which together are all of them', () => {
    const chain = model.chain({ batchSize: 2, samples: [false] })
    const base = chain.weights(initialStates())['chain']!
    const changedBy = everyUnit.map((t) => {
      const moved = chain.weights(initialStates().set(t, model.units[t]!.initialState(2)))['chain']!
      return Object.keys(base).filter((name) => String(moved[name]) !== String(base[name]))
    })
    expect(changedBy.flat().sort()).toEqual(Object.keys(base).sort())
  })

  it('end with the same bits whether they learn one after the other or in turns', () => {
    const inTurns = buildModel(tinyConfig).units
    const states = new Map(inTurns.map((unit) => [unit.block, unit.initialState(1)]))
    for (let step = 0; step < 3; step++) {
      // All inputs first: were a buffer shared between units, the last one would have filled it.
      const inputs = inTurns.map((unit) => unit.stepInputs(batch, at(step)))
      for (const { block } of inTurns) states.set(block, runProgram(programs[block]!, states.get(block)!, inputs[block]!).state)
    }
    for (const { block } of inTurns) expect(states.get(block)).toEqual(train(buildModel(tinyConfig).units[block]!, 3).state)
  })
})

describe('several noise draws per image', () => {
  it('that are equal change nothing', () => {
    const single = buildModel({ ...tinyConfig, dropout: 0 }).units[2]!
    const double = buildModel({ ...tinyConfig, dropout: 0, noiseSamples: 2 }).units[2]!
    const inputs = copyInputs(single.stepInputs(batch, at(0)))
    const noise = inputs['latent.epsilon'] as Float32Array
    const twice = Float32Array.of(...noise, ...noise)
    const one = runProgram(single.trainingProgram(batchSize), single.initialState(1), inputs)
    const two = runProgram(double.trainingProgram(batchSize), double.initialState(1), { ...inputs, 'latent.epsilon': twice })
    for (const name of ['denoising_loss', 'accuracy', 'gradient_norm'])
      expectAllClose(two.outputs[name]!, one.outputs[name]!, { relative: 1e-4 })
    const mean = 'batchNorm/image.norm.variance'
    expectAllClose(two.state[mean]!, one.state[mean]!)
  })

  it('are different draws', () => {
    const unit = buildModel({ ...tinyConfig, noiseSamples: 2 }).units[1]!
    const noise = unit.stepInputs(batch, at(0))['latent.epsilon'] as Float32Array
    expect(noise.slice(0, noise.length / 2)).not.toEqual(noise.slice(noise.length / 2))
  })
})

describe('what a step draws', () => {
  const masks = ['image.dropout1', 'image.dropout2', 'image.dropout3']

  it('differs between steps, blocks and seeds, and is the same when asked again', () => {
    const draw = (unit: TrainingUnit, step: number, seed: number) => {
      const inputs = copyInputs(unit.stepInputs(batch, at(step, seed)))
      return Object.fromEntries(['latent.epsilon', ...masks].map((name) => [name, inputs[name]!]))
    }
    const drawn = draw(firstBlock, 5, 1)
    expect(draw(firstBlock, 5, 1)).toEqual(drawn)
    for (const other of [draw(firstBlock, 6, 1), draw(secondBlock, 5, 1), draw(firstBlock, 5, 2)]) {
      for (const name of Object.keys(drawn)) expect(other[name]).not.toEqual(drawn[name])
    }
  })

  it('drops activations at the rate of the configuration', () => {
    const inputs = firstBlock.stepInputs(batch, at(0))
    const bytes = masks.flatMap((name) => Array.from(inputs[name]!))
    const rate = 1 - bytes.reduce((sum, kept) => sum + kept, 0) / bytes.length
    expect(Math.abs(rate - tinyConfig.dropout)).toBeLessThan(5 * Math.sqrt((0.2 * 0.8) / bytes.length))
  })

  it('gives block 1 pure noise', () => {
    const inputs = firstBlock.stepInputs(batch, at(0))
    expect([inputs['latent.signal']![0], inputs['latent.noise']![0]]).toEqual([0, 1])
  })
})

test('all blocks have one program', () => {
  const blocks = model.units.slice(1)
  expect(new Set(blocks.map((unit) => unit.programKey)).size).toBe(1)
  expect(head.programKey).not.toBe(firstBlock.programKey)
  const inputs = copyInputs(secondBlock.stepInputs(batch, at(0)))
  const state = secondBlock.initialState(1)
  expect(runProgram(firstBlock.trainingProgram(batchSize), state, inputs)).toEqual(
    runProgram(secondBlock.trainingProgram(batchSize), state, inputs),
  )
})

test('the head takes T steps for each batch, a block one', () => {
  expect(model.units.map((unit) => unit.stepsPerEpoch(430))).toEqual([3 * 430, 430, 430, 430])
})

test('a batch of one image is refused, because batch norm has no variance there', () => {
  expect(() => firstBlock.trainingProgram(1)).toThrow('batchSize')
})
