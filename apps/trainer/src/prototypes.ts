import type { LoadedDataset } from '@noprop/datasets'
import { type CompiledProgram, openDevice, type Program } from '@noprop/engine'
import { add, matMul, mul, reshape, square, sub, sum, type Tensor2D } from '@tensorflow/tfjs-core'
import { TrainerError } from './failure.ts'
import { yieldToEventLoop } from './task-context.ts'

/** Images on either side of one product of matrices. */
const tileSize = 512

/**
 * Share of the largest squared length of an image by which a squared distance may be wrong that was computed in 32 bits from lengths and a product:
 * many times what is seen, since it only decides how many images are compared once more.
 */
const rounding = 1e-4

type TrainingImages = Pick<LoadedDataset, 'train' | 'imageShape' | 'classes'>

/**
 * For each class the training image with the smallest median distance to the others of its class: Euclidean, between pixel values. The median of an even
 * number of distances is the lower one of the two in the middle, and of equal medians the first image has it. The answer is exact, and so does not depend
 * on what computes it.
 *
 * @param examples indices of the training images to choose from
 * @param onTile   called between two products of matrices, a tenth of a second at most apart; what it throws ends the search
 * @returns indices of training images, by class
 * @throws {TrainerError} TOO_FEW_EXAMPLES: a class has no image
 */
export async function choosePrototypes(dataset: TrainingImages, examples: Uint32Array, onTile: () => void = () => {}): Promise<number[]> {
  // The device that every machine has: the one that trains may be far slower.
  const device = await openDevice('cpu', { threads: 1 })
  try {
    const imageSize = dataset.imageShape.reduce((product, n) => product * n, 1)
    const distances = await device.compile(squaredDistances(imageSize))
    const prototypes: number[] = []
    for (const [label, name] of dataset.classes.entries()) {
      const members = examples.filter((index) => dataset.train.labels[index] === label)
      if (members.length === 0)
        throw new TrainerError('TOO_FEW_EXAMPLES', 'user', `there is no training image of class ${name} to begin its embedding with`)
      const images = Array.from(members, (index) => dataset.train.images.subarray(index * imageSize, (index + 1) * imageSize))
      prototypes.push(members[await indexOfSmallestMedian(images, distances, onTile)]!)
    }
    return prototypes
  } finally {
    device.dispose()
  }
}

/** ‖a‖² + ‖b‖² − 2⟨a, b⟩ of every row of one matrix and every row of another. */
function squaredDistances(imageSize: number): Program {
  const spec = { shape: [tileSize, imageSize], dtype: 'float32' } as const
  return {
    state: {},
    inputs: { rows: spec, columns: spec },
    run(_state, inputs) {
      const [rows, columns] = [inputs['rows'] as Tensor2D, inputs['columns'] as Tensor2D]
      const lengths = add(reshape(sum(square(rows), 1), [tileSize, 1]), reshape(sum(square(columns), 1), [1, tileSize]))
      return { state: {}, outputs: { distances: sub(lengths, mul(matMul(rows, columns, false, true), 2)) } }
    },
  }
}

async function indexOfSmallestMedian(images: readonly Uint8Array[], distances: CompiledProgram, onTile: () => void): Promise<number> {
  if (images.length === 1) return 0
  const count = images.length
  const tiles = toTiles(images)
  const tolerance = 2 * rounding * longest(images)
  const table = new Float32Array(tileSize * count)
  let candidates: Candidate[] = []
  let smallest = Infinity
  for (const [i, rows] of tiles.entries()) {
    for (const [j, columns] of tiles.entries()) {
      onTile()
      const tile = (await distances.run({ rows, columns }))['distances'] as Float32Array
      const width = Math.min(tileSize, count - j * tileSize)
      for (let r = 0; r < tileSize; r++) table.set(tile.subarray(r * tileSize, r * tileSize + width), r * count + j * tileSize)
      await yieldToEventLoop()
    }
    for (let index = i * tileSize; index < Math.min(count, (i + 1) * tileSize); index++) {
      const row = table.subarray((index - i * tileSize) * count, (index - i * tileSize + 1) * count)
      // most images are out after one look at their distances
      if (!hasMedianBelow(row, smallest + tolerance)) continue
      const median = medianToOthers(row, index)
      smallest = Math.min(smallest, median)
      candidates.push({ index, median })
    }
    candidates = candidates.filter(({ median }) => median <= smallest + tolerance)
  }
  return exactlySmallest(images, candidates)
}

interface Candidate {
  readonly index: number
  readonly median: number
}

/** Images as the rows of matrices of `tileSize` rows each, the last one filled up with zeros. */
function toTiles(images: readonly Uint8Array[]): Float32Array[] {
  const imageSize = images[0]!.length
  return Array.from({ length: Math.ceil(images.length / tileSize) }, (_, i) => {
    const tile = new Float32Array(tileSize * imageSize)
    images.slice(i * tileSize, (i + 1) * tileSize).forEach((image, row) => tile.set(image, row * imageSize))
    return tile
  })
}

/** Of images whose median may be the smallest, the one whose median is: in whole numbers, which are exact. */
function exactlySmallest(images: readonly Uint8Array[], candidates: readonly Candidate[]): number {
  let best = { index: -1, median: Infinity }
  for (const { index } of candidates) {
    const exact = Float64Array.from(images, (other) => squaredDistance(images[index]!, other))
    const median = medianToOthers(exact, index)
    if (median < best.median) best = { index, median }
  }
  return best.index
}

/** Greatest squared length of an image. */
function longest(images: readonly Uint8Array[]): number {
  const zero = new Uint8Array(images[0]!.length)
  return images.reduce((length, image) => Math.max(length, squaredDistance(image, zero)), 0)
}

function squaredDistance(a: Uint8Array, b: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2
  return sum
}

/** Position of the lower median among the distances to the others, with the one to itself moved to the end. */
const middle = (count: number) => Math.floor((count - 2) / 2)

/** Whether the lower median of the distances to the others is, or may be, at most `limit`. */
function hasMedianBelow(distances: Float32Array, limit: number): boolean {
  let below = 0
  for (let i = 0; i < distances.length; i++) below += distances[i]! <= limit ? 1 : 0
  return below > middle(distances.length)
}

/** The lower median of the distances to the others; reorders them. */
function medianToOthers(distances: Float32Array | Float64Array, self: number): number {
  distances[self] = Infinity
  return select(distances, middle(distances.length))
}

/** The k-th smallest value, from 0; reorders the values. Quickselect: Hoare's partitions around the middle one. */
function select(values: Float32Array | Float64Array, k: number): number {
  let [left, right] = [0, values.length - 1]
  while (left < right) {
    const pivot = values[(left + right) >> 1]!
    let [i, j] = [left, right]
    while (i <= j) {
      while (values[i]! < pivot) i++
      while (values[j]! > pivot) j--
      if (i > j) break
      const swapped = values[i]!
      values[i++] = values[j]!
      values[j--] = swapped
    }
    if (k <= j) right = j
    else if (k >= i) left = i
    else break
  }
  return values[k]!
}
