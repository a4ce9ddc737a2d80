import { DatasetRequestError } from './errors.ts'
import { createRandom, shuffle } from './random.ts'

/** Names the permutation of the split among everything else that is drawn from the same seed. */
const splitStream = 0x73706c69

/**
 * Holds a part of the training images out for validation. A pure function of its arguments; the validation part does not depend on `trainLimit`,
 * so a run on fewer images is judged on the same ones.
 *
 * @param validationSize images held out, 0 … numTrain − 1
 * @param trainLimit     keep at most this many of the others; null: all
 * @returns indices into the training images: drawn at random, without overlap, each part in rising order
 * @throws {DatasetRequestError} nothing would be left to train on
 */
export function splitTrain(numTrain: number, validationSize: number, trainLimit: number | null, seed: number) {
  if (validationSize >= numTrain)
    throw new DatasetRequestError(`validation_size is ${validationSize}, but there are only ${numTrain} training images`)
  const order = Uint32Array.from({ length: numTrain }, (_, i) => i)
  shuffle(order, createRandom(seed, splitStream))
  const end = Math.min(numTrain, validationSize + (trainLimit ?? Infinity))
  return { train: order.slice(validationSize, end).sort(), validation: order.slice(0, validationSize).sort() }
}
