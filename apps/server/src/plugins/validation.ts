import { AjvCompiler } from '@fastify/ajv-compiler'
import type { FastifyInstance } from 'fastify'

const common = { removeAdditional: false, useDefaults: true, allErrors: true } as const

/**
 * Query strings, parameters and headers are text, so their values are converted to the type that is asked for; in a JSON body `"3"` is not a number.
 * Unknown fields are refused where a schema says so, never dropped in silence.
 */
export function installValidation(app: FastifyInstance) {
  const compile = AjvCompiler()
  const strict = compile({}, { customOptions: { ...common, coerceTypes: false } })
  const converting = compile({}, { customOptions: { ...common, coerceTypes: true } })
  app.setValidatorCompiler((route) => (route.httpPart === 'body' ? strict : converting)(route))
  // the only bodies are JSON and what a route adds a parser for
  app.removeContentTypeParser('text/plain')
  // answers are made from typed values; a serializer made from the schema would only drop or bend what differs from it
  app.setSerializerCompiler(() => JSON.stringify)
}
