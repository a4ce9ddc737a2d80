/**
 * @file The adjoint baseline: a neural ODE whose gradients come from integrating backwards in time. Its vector field is the network of continuous time; a linear
 * head reads the class at the end.
 */

import type { HostTensors, Program, TensorSpecs } from '@noprop/engine'
import { mul, type Scalar, sum, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core'
import { countParameters, elementCount, type ParameterSpec } from '../block/parameters.ts'
import { fillTimeEmbeddings, timeEmbeddingSize } from '../block/time-embedding.ts'
import { trainingMode } from '../block/training-mode.ts'
import { ModelConfigError } from '../errors.ts'
import type { StepAssistant, TrainingUnit } from '../model.ts'
import { adamInputs, adamInputSpecs, adamStep } from '../optimizer/adam.ts'
import { fillNormal, purposes, streamKey } from '../random/counter-random.ts'
import { wholeUnit } from '../train/continuous-unit.ts'
import { differentiate } from '../train/differentiate.ts'
import type { ContinuousParts } from '../train/model-parts.ts'
import { readScalars } from '../train/read-scalars.ts'
import { initialUnitState, stateSpecs } from '../train/state-layout.ts'
import { createStepBuffers, imageInput, imageSpec, labelInput, maskInputs, maskSpecs, scalarSpec } from '../train/step-inputs.ts'
import {
  backwardProgram,
  backwardSpecs,
  encodeProgram,
  endParameters,
  endProgram,
  fieldParameters,
  forwardProgram,
  gradientName,
  stepsPerCall,
  weightSpecs,
} from './adjoint-programs.ts'

/**
 * The unit of the whole network. Before every step its assistant runs the ODE forth and back; the step itself passes the gradient on through the image path,
 * with the same dropout, and moves all weights.
 *
 * @throws {ModelConfigError} embedding: a prototype would pass through convolutions, with dropout of its own, in every one of the small steps
 */
export function adjointUnit(parts: ContinuousParts): TrainingUnit {
  const { config, network, embedding } = parts
  if (config.embedding === 'prototype') throw new ModelConfigError('embedding', 'adjoint trains with one-hot and learned embeddings alone')
  const parameters = allParameters(parts)
  const buffers = createStepBuffers()
  return {
    block: wholeUnit,
    parameterCount: countParameters(parameters),
    programKey: 'adjoint',
    stepsPerEpoch: (batches) => batches,
    initialState: (seed) => initialUnitState(parameters, { seed, block: wholeUnit, averaged: config.emaDecay > 0 }),
    trainingProgram: (batchSize) => trainingProgram(batchSize, parts),
    stepInputs(batch, context) {
      const batchSize = batch.labels.length
      const start = buffers.array('start', config.noiseSamples * batchSize * embedding.dimension, Float32Array)
      fillNormal(start, streamKey(context.seed, purposes.trainingNoise, wholeUnit, context.step))
      return {
        images: imageInput(batch, config),
        labels: labelInput(batch, config.numClasses, buffers),
        start,
        ...maskInputs({ ...context, block: wholeUnit }, { layers: network.dropoutLayers, batchSize, config }, buffers),
        ...adamInputs(config, context),
      }
    },
    readMetrics: readScalars,
    assistant: adjointAssistant(parts),
  }
}

function allParameters({ network, head, embedding }: ContinuousParts): ParameterSpec[] {
  return [...network.imageParameters, ...network.stepParameters, ...head.parameters, ...embedding.parameters]
}

function trainingProgram(batchSize: number, parts: ContinuousParts): Program {
  if (!Number.isInteger(batchSize) || batchSize < 1) throw new ModelConfigError('batchSize', 'a step needs at least 1 image')
  const { config, network } = parts
  const parameters = allParameters(parts)
  const names = parameters.map(({ name }) => name)
  const imageNames = network.imageParameters.map(({ name }) => name)
  const learnedBefore = parameters.filter(({ name }) => !imageNames.includes(name))
  return {
    state: stateSpecs(parameters, { averaged: config.emaDecay > 0 }),
    inputs: {
      images: imageSpec(batchSize, config),
      ...maskSpecs({ layers: network.dropoutLayers, batchSize, config }),
      ...adamInputSpecs(config),
      [gradientName('imagePart')]: { shape: [batchSize, network.features], dtype: 'float32' },
      ...weightSpecs(learnedBefore, gradientName),
      cross_entropy: scalarSpec,
      accuracy: scalarSpec,
    },
    run(state, inputs) {
      const mode = trainingMode(state, inputs, config.dropout, {})
      const { gradients } = differentiate(state, imageNames, () => {
        const imagePart = network.imagePart(state, inputs['images'] as Tensor4D, mode)
        return { loss: sum(mul(imagePart, inputs[gradientName('imagePart')] as Tensor2D)) as Scalar, others: {} }
      })
      for (const { name } of learnedBefore) gradients[name] = inputs[gradientName(name)]!
      const step = adamStep(state, names, gradients, { config, inputs })
      return {
        state: step.state,
        outputs: {
          cross_entropy: inputs['cross_entropy']!,
          accuracy: inputs['accuracy']!,
          gradient_norm: step.gradientNorm,
          update_ratio: step.updateRatio,
        },
      }
    },
  }
}

function adjointAssistant(parts: ContinuousParts): StepAssistant {
  const { config, network } = parts
  const times = timesOfCalls(parts)
  return {
    programs: (batchSize) => ({
      encode: encodeProgram(batchSize, parts),
      forward: forwardProgram(batchSize, parts),
      end: endProgram(batchSize, parts),
      backward: backwardProgram(batchSize, parts),
    }),
    async complete({ labels, start, ...inputs }, state, execute) {
      const batchSize = labels!.length
      const weights = (parameters: readonly ParameterSpec[]) => pick(state, weightSpecs(parameters))
      const masks = pick(inputs, maskSpecs({ layers: network.dropoutLayers, batchSize, config }))
      const { imagePart } = await execute('encode', { images: inputs['images']!, ...masks, ...weights(network.imageParameters) })
      const fixed = { imagePart: imagePart!, ...weights(fieldParameters(parts)) }

      let z = start!
      for (const timeEmbeddings of times.forward) z = (await execute('forward', { ...fixed, z, timeEmbeddings }))['z']!

      const end: HostTensors = { z, ...(await execute('end', { z, labels: labels!, ...weights(endParameters(parts)) })) }
      let carried: HostTensors = {}
      for (const [name, { shape }] of Object.entries(backwardSpecs(batchSize, parts))) {
        carried[name] = end[name] ?? new Float32Array(elementCount(shape))
      }
      for (const timeEmbeddings of times.backward) carried = await execute('backward', { ...fixed, ...carried, timeEmbeddings })

      const { z: _start, a: _adjoint, ...results } = { ...end, ...carried }
      return { ...inputs, ...results }
    },
  }
}

/** Time embeddings of the steps in the order in which they are taken, by call: of all steps forwards, and of all steps backwards. */
function timesOfCalls(parts: ContinuousParts): { forward: Float32Array[]; backward: Float32Array[] } {
  const steps = parts.config.inferenceSteps
  const perCall = stepsPerCall(parts)
  const times = Array.from({ length: steps }, (_, i) => i / steps)
  const embed = (ordered: readonly number[]) =>
    Array.from({ length: steps / perCall }, (_, call) => {
      const embeddings = new Float32Array(perCall * timeEmbeddingSize)
      fillTimeEmbeddings(embeddings, ordered.slice(call * perCall, (call + 1) * perCall))
      return embeddings
    })
  return { forward: embed(times), backward: embed(times.toReversed()) }
}

function pick(tensors: HostTensors, specs: TensorSpecs): HostTensors {
  return Object.fromEntries(Object.keys(specs).map((name) => [name, tensors[name]!]))
}
