import type { Lowerings } from '../trace/lowering.ts'
import { convolutionLowerings } from './convolution.ts'
import { elementWiseLowerings } from './element-wise.ts'
import { matmulLowerings } from './matmul.ts'
import { poolingLowerings } from './pooling.ts'
import { reductionLowerings } from './reductions.ts'
import { shapeLowerings } from './shapes.ts'

/** Every TensorFlow.js kernel that a compiled program may use. */
export const lowerings: Lowerings = {
  ...elementWiseLowerings,
  ...reductionLowerings,
  ...shapeLowerings,
  ...matmulLowerings,
  ...convolutionLowerings,
  ...poolingLowerings,
}
