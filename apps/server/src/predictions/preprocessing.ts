import type { DatasetName } from '@noprop/datasets'
import type { Bitmap } from './image-decoder.ts'
import { prepareDigit, type PreparedImage } from './prepare-digit.ts'

/** How an image from outside becomes one that a network of each dataset knows. */
export const preprocessing: Readonly<Record<DatasetName, (bitmap: Bitmap) => PreparedImage>> = {
  mnist: prepareDigit,
  'synthetic-digits': prepareDigit,
}
