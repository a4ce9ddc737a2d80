import multipart from '@fastify/multipart'
import { PredictOptions, PredictRequest, PredictResponse } from '@noprop/contract'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { ApiError } from '../api-error.ts'
import { clientGone } from '../client-gone.ts'
import { answers, api } from '../route-schema.ts'
import type { ImageFile } from './image-decoder.ts'
import { keepWarm } from './keep-warm.ts'
import { decodeInstances, invalid, maxFileBytes, readMultipart } from './predict-request.ts'
import { PredictionPool } from './prediction-pool.ts'
import { PredictionService } from './prediction-service.ts'
import { groupSize } from './prediction-task.ts'

/** Base64 of one file of the greatest size, and some; many small instances fit as well. */
const maxBodyBytes = 16 * 2 ** 20

/** What a multipart body looks like to its schema: the file has been read already and stands here as its description. */
const MultipartBody = Type.Object(
  {
    image: Type.Unsafe<string>({
      type: 'string',
      format: 'binary',
      description: 'a PNG, JPEG or WebP file of at most 10 MiB and 16 million pixels',
    }),
    ...PredictOptions,
  },
  { additionalProperties: false },
)

declare module 'fastify' {
  interface FastifyRequest {
    /** The file of a multipart prediction. */
    imageFile: ImageFile | null
  }
}

/** `POST /predict`: an image in, a label out. */
export async function predictionRoutes(app: FastifyInstance) {
  const { predictionWorkerEntry, predictionBatch, predictionQueue } = app.config
  const pool = new PredictionPool({
    workerEntry: predictionWorkerEntry,
    limits: predictionBatch,
    onBatch: (images) => app.serverMetrics.predictionBatches.observe(images),
    onWorkerLost: (error) => app.log.error({ err: error }, 'the prediction worker was lost; the next prediction starts another'),
  })
  const service = new PredictionService({
    db: app.db,
    runs: app.runs,
    pool,
    maxRequests: predictionQueue,
    groupSize: Math.min(groupSize, predictionBatch.images),
    checkpointPath: app.checkpointPath,
  })
  app.addHook('onClose', () => pool.close())
  keepWarm(app, service)

  await app.register(multipart, {
    limits: { fileSize: maxFileBytes, files: 1, fields: 10, fieldNameSize: 100, fieldSize: 1000, parts: 11 },
  })
  app.removeContentTypeParser('text/plain')
  app.decorateRequest('imageFile', null)

  api(app).route({
    method: 'POST',
    url: '/predict',
    bodyLimit: maxBodyBytes,
    schema: {
      tags: ['predictions'],
      summary: 'Classify images with the network of a run',
      body: { content: { 'application/json': { schema: PredictRequest }, 'multipart/form-data': { schema: MultipartBody } } },
      response: answers({ 200: PredictResponse }),
    },
    preValidation: readBody,
    handler: async (request, reply) => {
      const options = request.body as PredictRequest
      const files = request.imageFile ? [request.imageFile] : decodeInstances(options.instances)
      const gone = clientGone(reply)
      try {
        return await service.predict(files, options, gone)
      } catch (error) {
        if (gone.aborted) throw new ApiError('CLIENT_GONE', 'The client went away', { status: 499 })
        if (error instanceof ApiError && error.statusCode === 503) reply.header('retry-after', '1')
        throw error
      }
    },
  })
}

/** Brings a multipart body into the form that its schema checks, and refuses an empty one. */
async function readBody(request: FastifyRequest): Promise<void> {
  if (request.isMultipart()) {
    const { file, fields } = await readMultipart(request)
    request.imageFile = file
    request.body = { image: `${file.bytes.length} bytes`, ...fields }
  } else if (request.body === undefined || request.body === null) {
    throw invalid('image', 'is required: send multipart/form-data with a file in the field image, or JSON with instances')
  }
}
