import Type from 'typebox'

/** RFC 9457 problem details, the body of every error (`application/problem+json`). */
export const Problem = Type.Object({
  type: Type.String({ default: 'about:blank' }),
  title: Type.String(),
  status: Type.Integer({ minimum: 400, maximum: 599 }),
  detail: Type.String(),
  code: Type.String({ examples: ['VALIDATION_FAILED'], description: 'stable; scripts may rely on it' }),
  request_id: Type.String(),
  errors: Type.Optional(
    Type.Array(
      Type.Object({ pointer: Type.String({ description: 'JSON Pointer to the field, such as /config/epochs' }), detail: Type.String() }),
    ),
  ),
})
export type Problem = Type.Static<typeof Problem>
