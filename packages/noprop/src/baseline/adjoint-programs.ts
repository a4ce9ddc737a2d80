/**
 * @file The helper programs of the adjoint method (Chen et al., arXiv:1806.07366). They keep no state: weights are inputs, so that the many small steps of the
 * ODE can be taken some at a time, by one program that is called again and again, with memory for those few.
 *
 * dz/dt = f(z, x, t) = logits(z, x, t)·W from z_0 ~ N(0, I) at t = 0 to z_1, in N steps of Euler: z_{i+1} = z_i + f(z_i, x, i/N)/N.
 */

import type { Program, TensorSpecs } from '@noprop/engine'
import {
  add,
  mul,
  type NamedTensorMap,
  type Scalar,
  split,
  sub,
  sum,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
} from '@tensorflow/tfjs-core'
import type { ParameterSpec } from '../block/parameters.ts'
import { timeEmbeddingSize } from '../block/time-embedding.ts'
import { trainingMode } from '../block/training-mode.ts'
import { accuracy } from '../loss/accuracy.ts'
import { crossEntropy } from '../loss/cross-entropy.ts'
import { targetRows } from '../loss/targets.ts'
import { differentiate } from '../train/differentiate.ts'
import type { ContinuousParts } from '../train/model-parts.ts'
import { imageSpec, labelSpec, maskSpecs } from '../train/step-inputs.ts'

/** Of one call: the backward program holds the gradient of each of its steps apart, and grows with them. */
const mostStepsPerCall = 10

/** A divisor of N, so that all calls are of one program. A prime N above 10 is done in calls of one step. */
export function stepsPerCall({ config }: ContinuousParts): number {
  const upTo = Array.from({ length: mostStepsPerCall }, (_, i) => i + 1)
  return upTo.findLast((n) => config.inferenceSteps % n === 0)!
}

/** Weights of f. */
export function fieldParameters({ network, embedding }: ContinuousParts): ParameterSpec[] {
  return [...network.stepParameters, ...embedding.parameters]
}

/** Weights that the loss at the end depends on: of the head, and W where the radial head compares with it. */
export function endParameters({ config, head, embedding }: ContinuousParts): ParameterSpec[] {
  return [...head.parameters, ...(config.head === 'radial' ? embedding.parameters : [])]
}

export const gradientName = (weight: string) => `gradient/${weight}`

/** Shapes of weights, or of their gradients. */
export function weightSpecs(parameters: readonly ParameterSpec[], toName = (name: string) => name): TensorSpecs {
  return Object.fromEntries(parameters.map(({ name, shape }) => [toName(name), { shape, dtype: 'float32' as const }]))
}

/** Images → what they add to every step, as in training: with dropout. */
export function encodeProgram(batchSize: number, { config, network }: ContinuousParts): Program {
  return {
    state: {},
    inputs: {
      images: imageSpec(batchSize, config),
      ...maskSpecs({ layers: network.dropoutLayers, batchSize, config }),
      ...weightSpecs(network.imageParameters),
    },
    run: (_, inputs) => {
      // Nothing here normalises by the batch, so there are no running statistics to be left.
      const mode = trainingMode(inputs, inputs, config.dropout, {})
      return { state: {}, outputs: { imagePart: network.imagePart(inputs, inputs['images'] as Tensor4D, mode) } }
    },
  }
}

/** Some steps of Euler, at the times of `timeEmbeddings`. */
export function forwardProgram(batchSize: number, parts: ContinuousParts): Program {
  return {
    state: {},
    inputs: { ...stepSpecs(batchSize, parts), ...weightSpecs(fieldParameters(parts)) },
    run(_, inputs) {
      let z = inputs['z'] as Tensor2D
      for (const time of timesOf(inputs, parts))
        z = add(z, mul(field(inputs, z, inputs['imagePart'] as Tensor2D, time, parts), 1 / parts.config.inferenceSteps))
      return { state: {}, outputs: { z } }
    },
  }
}

/** z_1 → loss, its gradient a = ∂L/∂z_1, and those of what decodes z_1. */
export function endProgram(batchSize: number, parts: ContinuousParts): Program {
  const { config, head } = parts
  const parameters = endParameters(parts)
  return {
    state: {},
    inputs: { z: latentSpec(batchSize, parts), labels: labelSpec(batchSize), ...weightSpecs(parameters) },
    run(_, inputs) {
      const labels = inputs['labels'] as Tensor1D
      const names = parameters.map(({ name }) => name)
      const { loss, others, gradients } = differentiate(inputs, ['z', ...names], () => {
        const logits = head.logits(inputs, inputs['z'] as Tensor2D)
        return {
          loss: crossEntropy(logits, targetRows(labels, config.numClasses, config.labelSmoothing)),
          others: { accuracy: accuracy(logits, labels) },
        }
      })
      return {
        state: {},
        outputs: {
          ...others,
          cross_entropy: loss,
          a: gradients['z']!,
          ...Object.fromEntries(names.map((name) => [gradientName(name), gradients[name]!])),
        },
      }
    },
  }
}

/** What a backward pass carries along, [draws·batch, embeddingDim] and shapes of weights. Inputs and outputs of the program have the same names. */
export function backwardSpecs(batchSize: number, parts: ContinuousParts): TensorSpecs {
  return {
    z: latentSpec(batchSize, parts),
    a: latentSpec(batchSize, parts),
    [gradientName('imagePart')]: imagePartSpec(batchSize, parts),
    ...weightSpecs(fieldParameters(parts), gradientName),
  }
}

/**
 * The same steps back, from later to earlier times: the state by dz/dt = f, its adjoint a = ∂L/∂z by da/dt = −aᵀ·∂f/∂z, and the gradients of weights and images
 * by the integral of aᵀ·∂f/∂θ. z is not remembered but integrated back, too. A step takes its slope where it stands, at the later end, as Euler does, but at the time
 * of the forward step that it undoes: the time embedding changes within a step, and the network has learned it at those times alone.
 */
export function backwardProgram(batchSize: number, parts: ContinuousParts): Program {
  const { config } = parts
  const carried = backwardSpecs(batchSize, parts)
  const names = ['imagePart', ...fieldParameters(parts).map(({ name }) => name)]
  return {
    state: {},
    inputs: { ...stepSpecs(batchSize, parts), ...carried, ...weightSpecs(fieldParameters(parts)) },
    run(_, inputs) {
      const outputs: NamedTensorMap = Object.fromEntries(Object.keys(carried).map((name) => [name, inputs[name]!]))
      for (const time of timesOf(inputs, parts)) {
        const z = outputs['z'] as Tensor2D
        const cotangent = mul(outputs['a']!, 1 / config.inferenceSteps)
        const { others, gradients } = differentiate({ ...inputs, z }, ['z', ...names], () => {
          const slope = field(inputs, z, inputs['imagePart'] as Tensor2D, time, parts)
          return { loss: sum(mul(slope, cotangent)) as Scalar, others: { slope } }
        })
        outputs['z'] = sub(z, mul(others['slope']!, 1 / config.inferenceSteps))
        outputs['a'] = add(outputs['a']!, gradients['z']!)
        for (const name of names) outputs[gradientName(name)] = add(outputs[gradientName(name)]!, gradients[name]!)
      }
      return { state: {}, outputs }
    },
  }
}

function field(
  weights: NamedTensorMap,
  z: Tensor2D,
  imagePart: Tensor2D,
  time: Tensor2D,
  { config, network, embedding }: ContinuousParts,
): Tensor2D {
  const timePart = network.timePart(weights, time)
  const logits = network.logits(weights, { imagePart, timePart }, z, trainingMode(weights, {}, config.dropout, {}))
  return embedding.combine(weights, logits)
}

function timesOf(inputs: NamedTensorMap, parts: ContinuousParts): Tensor2D[] {
  return split(inputs['timeEmbeddings'] as Tensor2D, stepsPerCall(parts))
}

function latentSpec(batchSize: number, { config, embedding }: ContinuousParts) {
  return { shape: [config.noiseSamples * batchSize, embedding.dimension], dtype: 'float32' as const }
}

function imagePartSpec(batchSize: number, { network }: ContinuousParts) {
  return { shape: [batchSize, network.features], dtype: 'float32' as const }
}

function stepSpecs(batchSize: number, parts: ContinuousParts): TensorSpecs {
  return {
    imagePart: imagePartSpec(batchSize, parts),
    z: latentSpec(batchSize, parts),
    timeEmbeddings: { shape: [stepsPerCall(parts), timeEmbeddingSize], dtype: 'float32' },
  }
}
