import type { PredictRequest } from '@noprop/contract'
import type { FastifyError, FastifyRequest } from 'fastify'
import { ApiError } from '../api-error.ts'
import type { ImageFile } from './image-decoder.ts'

export const maxFileBytes = 10 * 2 ** 20

/** What a multipart request holds, with its fields as the JSON of the contract would have them. */
export interface MultipartPredict {
  readonly file: ImageFile
  readonly fields: Readonly<Record<string, unknown>>
}

/**
 * Reads a multipart request: the file `image` and options as text.
 *
 * @throws {ApiError} VALIDATION_FAILED naming the field, BODY_TOO_LARGE, MALFORMED_BODY
 */
export async function readMultipart(request: FastifyRequest): Promise<MultipartPredict> {
  try {
    return await readParts(request)
  } catch (error) {
    throw multipartError(error as FastifyError)
  }
}

async function readParts(request: FastifyRequest): Promise<MultipartPredict> {
  let file: ImageFile | undefined
  const fields: Record<string, unknown> = {}
  for await (const part of request.parts()) {
    if (part.type === 'file') {
      const bytes = await part.toBuffer()
      if (part.fieldname !== 'image') throw invalid(part.fieldname, 'is not a known field; the file belongs into image')
      file = { bytes, pointer: '/image' }
    } else if (part.fieldname === 'image') throw invalid('image', 'must be a file, not text')
    else fields[part.fieldname] = parseField(part.fieldname, String(part.value))
  }
  if (!file) throw invalid('image', 'is required')
  return { file, fields }
}

function multipartError(error: FastifyError): Error {
  if (error instanceof ApiError) return error
  if (error.code === 'FST_REQ_FILE_TOO_LARGE') return tooLarge('/image')
  if (error.code === 'FST_FILES_LIMIT') return invalid('image', 'must be one file only; send several as JSON instances')
  // what the parser itself throws, such as a missing boundary or an end before the end, has no status
  return error.statusCode ? error : new ApiError('MALFORMED_BODY', `The multipart body cannot be read: ${error.message}`)
}

/** Text as the value it means, where that is clear; what is not is left for the schema to refuse. */
function parseField(name: string, text: string): unknown {
  if (name === 'run_id') return text
  if (text === 'true' || text === 'false') return text === 'true'
  return /^\d{1,15}$/.test(text) ? Number(text) : text
}

/** @throws {ApiError} VALIDATION_FAILED: an instance is not base64; BODY_TOO_LARGE */
export function decodeInstances(instances: PredictRequest['instances']): ImageFile[] {
  return instances.map(({ b64 }, i) => {
    const pointer = `/instances/${i}/b64`
    const text = b64.replace(/^data:image\/[a-z+.-]+;base64,/, '')
    if (text.length % 4 === 1 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw invalid(pointer.slice(1), 'is not base64')
    const bytes = Buffer.from(text, 'base64')
    if (bytes.length > maxFileBytes) throw tooLarge(pointer)
    return { bytes, pointer }
  })
}

export function invalid(field: string, detail: string): ApiError {
  return new ApiError('VALIDATION_FAILED', `${field} ${detail}`, { errors: [{ pointer: `/${field}`, detail }] })
}

function tooLarge(pointer: string): ApiError {
  const detail = `is larger than ${maxFileBytes / 2 ** 20} MiB`
  return new ApiError('BODY_TOO_LARGE', `${pointer.slice(1)} ${detail}`, { errors: [{ pointer, detail }] })
}
