import Type from 'typebox'
import { DatasetName } from './run-config.ts'

export const Dataset = Type.Object({
  name: DatasetName,
  title: Type.String(),
  description: Type.String(),
  classes: Type.Array(Type.String()),
  image_shape: Type.Array(Type.Integer(), { minItems: 3, maxItems: 3, description: '[height, width, channels]' }),
  train_examples: Type.Integer(),
  test_examples: Type.Integer(),
  source: Type.Enum(['local', 'downloaded', 'download', 'generated'], {
    description:
      'where its files are: in NOPROP_DATASETS_DIR, in the data folder, still to be downloaded at the first run, or made by the product itself',
  }),
})
export type Dataset = Type.Static<typeof Dataset>
