import type { ClassifierHead } from '../block/classifier-head.ts'
import type { DenoisingBlock } from '../block/denoising-block.ts'
import type { TimeConditionedNetwork } from '../block/time-conditioned-network.ts'
import type { LabelEmbedding } from '../embedding/label-embedding.ts'
import type { ModelConfig } from '../model.ts'
import type { NoiseSchedule } from '../schedule/noise-schedule.ts'

/** What a network of discrete time is made of. */
export interface DiscreteParts {
  readonly config: ModelConfig
  /** the form of every block; each has weights of its own */
  readonly block: DenoisingBlock
  readonly embedding: LabelEmbedding
  readonly head: ClassifierHead
  readonly schedule: NoiseSchedule
}

/** What a network of continuous time is made of. */
export interface ContinuousParts {
  readonly config: ModelConfig
  readonly network: TimeConditionedNetwork
  readonly embedding: LabelEmbedding
  readonly head: ClassifierHead
}
