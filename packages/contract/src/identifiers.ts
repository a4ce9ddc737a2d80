import Type from 'typebox'

/** Prefixed, time-sortable identifiers: `<prefix>_<26 Crockford base-32 characters of a ULID, lower case>`. */
function identifier(prefix: string, title: string) {
  return Type.String({ pattern: `^${prefix}_[0-9a-hjkmnp-tv-z]{26}$`, title, examples: [`${prefix}_01jd4z6k8r9v2w3x4y5z6a7b8c`] })
}

export const RunId = identifier('run', 'Run id')
export const TaskId = identifier('task', 'Task id')
export const CheckpointId = identifier('ckpt', 'Checkpoint id')
export const EvaluationId = identifier('eval', 'Evaluation id')

/** RFC 3339, UTC, millisecond precision. */
export const Timestamp = Type.String({ format: 'date-time', title: 'RFC 3339 UTC time' })

/** A block of the network: 1…T are the denoising blocks, 0 is what all blocks share (the classifier head). */
export const BlockIndex = Type.Integer({ minimum: 0, maximum: 1000, title: '1…T: a denoising block; 0: the shared classifier head' })
