import { createRandom } from './random.ts'

/** A change of training images that leaves their class alone, drawn anew for each `stream`, such as an epoch. */
export interface Augmentation {
  /** `crop`: moved by up to 4 pixels in each direction; `flip-crop`: and, half of the time, mirrored left to right. */
  readonly kind: 'crop' | 'flip-crop'
  readonly seed: number
  readonly stream: number
}

/** Where an image is cut out of its padded self, and whether it is mirrored then. */
export interface Crop {
  /** 0 … 2 · cropPadding, of the padded image; cropPadding is the middle */
  readonly top: number
  readonly left: number
  readonly mirrored: boolean
}

/** Black pixels around an image before it is cut out, whatever its size: the usual augmentation of CIFAR (torchvision's `RandomCrop(padding=4)`). */
export const cropPadding = 4

/** Names these draws among everything else that is drawn from the same seed. */
const augmentationStream = 0x61756772

/** The change of one image: a pure function of seed, stream and image, so it does not matter which batch the image is in. Crops do not depend on the kind. */
export function drawCrop({ kind, seed, stream }: Augmentation, index: number): Crop {
  const random = createRandom(seed, augmentationStream, stream, index)
  const top = random.below(2 * cropPadding + 1)
  const left = random.below(2 * cropPadding + 1)
  return { top, left, mirrored: kind === 'flip-crop' && random.below(2) === 1 }
}
