import type { DatasetName } from '@noprop/datasets'
import type { Bitmap } from './image-decoder.ts'
import { prepareDigit } from './prepare-digit.ts'
import { prepareGarment } from './prepare-garment.ts'
import { preparePhoto } from './prepare-photo.ts'
import type { PreparedImage } from './prepared-image.ts'

/** How an image from outside becomes one that a network of each dataset knows. */
export const preprocessing: Readonly<Record<DatasetName, (bitmap: Bitmap) => PreparedImage | Promise<PreparedImage>>> = {
  mnist: prepareDigit,
  'fashion-mnist': prepareGarment,
  'cifar-10': preparePhoto,
  'cifar-100': preparePhoto,
  'synthetic-digits': prepareDigit,
}
