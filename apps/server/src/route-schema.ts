import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Problem, Run, RunEvent } from '@noprop/contract'
import type { FastifyInstance } from 'fastify'
import Type, { type TSchema } from 'typebox'

/** Schemas that become named components of the OpenAPI document. */
const components = { Problem, Run, RunEvent }

/** The same instance, with handlers typed by their schemas. */
export function api(app: FastifyInstance) {
  return app.withTypeProvider<TypeBoxTypeProvider>()
}

export function registerComponents(app: FastifyInstance) {
  for (const [name, schema] of Object.entries(components)) app.addSchema({ ...schema, $id: name })
}

/** A reference to a named component, typed as the schema itself. */
export function component<Name extends keyof typeof components>(name: Name) {
  return Type.Unsafe<Type.Static<(typeof components)[Name]>>(Type.Ref(name))
}

/** `response` of a route: the given answers, and problems for everything else. */
export function answers<T extends Record<number, TSchema>>(success: T): T & { '4xx': TSchema; '5xx': TSchema } {
  const problem = {
    description: 'What went wrong',
    content: { 'application/problem+json': { schema: Type.Ref('Problem') } },
  } as unknown as TSchema
  return { ...success, '4xx': problem, '5xx': problem }
}
