import { add, mul, type Tensor1D, type Tensor2D } from '@tensorflow/tfjs-core'
import { indicatorRows } from '../embedding/one-hot.ts'

/** Class distributions to learn, [batch, numClasses]: all on the label, but for `smoothing`, which goes to all classes alike. */
export function targetRows(labels: Tensor1D, numClasses: number, smoothing: number): Tensor2D {
  const rows = indicatorRows(labels, numClasses)
  return smoothing === 0 ? rows : (add(mul(rows, 1 - smoothing), smoothing / numClasses) as Tensor2D)
}
