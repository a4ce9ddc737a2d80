import { Dataset, type DatasetName } from '@noprop/contract'
import {
  datasetCatalog,
  DatasetCorruptError,
  type DatasetFacts,
  DatasetRequestError,
  DatasetUnavailableError,
  locateDataset,
  readImage,
} from '@noprop/datasets'
import type { FastifyInstance } from 'fastify'
import sharp from 'sharp'
import Type from 'typebox'
import { ApiError } from '../api-error.ts'
import { answers, api } from '../route-schema.ts'

const ImageParams = Type.Object({
  name: Type.String({ maxLength: 64 }),
  split: Type.Enum(['train', 'test']),
  index: Type.Integer({ minimum: 0 }),
})

/** The sets that runs can train on, and their images. */
export async function datasetRoutes(app: FastifyInstance) {
  const { dataDir, datasetsDir } = app.config
  const folders = { dataDir, datasetsDir }

  api(app).route({
    method: 'GET',
    url: '/v1/datasets',
    schema: { tags: ['datasets'], summary: 'List datasets', response: answers({ 200: Type.Object({ items: Type.Array(Dataset) }) }) },
    handler: async () => ({
      items: Object.entries(datasetCatalog).map(([name, facts]): Dataset =>
        describe(name as DatasetName, facts, locateDataset(name as DatasetName, folders)),
      ),
    }),
  })

  api(app).route({
    method: 'GET',
    url: '/v1/datasets/:name/images/:split/:index',
    schema: {
      tags: ['datasets'],
      summary: 'One image of a dataset',
      params: ImageParams,
      response: answers({
        200: {
          description: 'PNG',
          content: { 'image/png': { schema: Type.Unsafe<Buffer>({ type: 'string', format: 'binary' }) } },
        } as never,
      }),
    },
    handler: async ({ params }, reply) => {
      const { name, split, index } = params
      if (!isKnown(name))
        throw new ApiError('NOT_FOUND', `There is no dataset ${name}`, { errors: [{ pointer: '/name', detail: 'is not a dataset' }] })
      const pixels = await readImage(name, split, index, folders).catch((error: unknown) => {
        throw problemOf(error)
      })
      const [height, width, channels] = datasetCatalog[name].imageShape
      const png = await sharp(pixels, { raw: { width, height, channels: channels as 1 | 3 } })
        .png()
        .toBuffer()
      // the images of a set never change; an hour lets another version of the product change that
      return reply.header('cache-control', 'private, max-age=3600').type('image/png').send(png)
    },
  })
}

function isKnown(name: string): name is DatasetName {
  return Object.hasOwn(datasetCatalog, name)
}

function describe(name: DatasetName, facts: DatasetFacts, source: Dataset['source']): Dataset {
  return {
    name,
    title: facts.title,
    description: facts.description,
    classes: [...facts.classes],
    image_shape: [...facts.imageShape],
    train_examples: facts.trainExamples,
    test_examples: facts.testExamples,
    source,
  }
}

function problemOf(error: unknown): unknown {
  if (error instanceof DatasetRequestError)
    return new ApiError('NOT_FOUND', error.message, { errors: [{ pointer: '/index', detail: 'is outside the split' }] })
  if (error instanceof DatasetUnavailableError)
    return new ApiError(error.code, `${error.message} A run on this dataset downloads it.`, {
      status: 409,
      title: 'The dataset is not on this machine yet',
    })
  if (error instanceof DatasetCorruptError)
    return new ApiError(error.code, error.message, { status: 409, title: 'A file of the dataset is damaged' })
  return error
}
