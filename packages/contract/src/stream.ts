import Type from 'typebox'
import { RunId } from './identifiers.ts'
import { Problem } from './problem.ts'
import { RunEvent } from './run-event.ts'
import { Run } from './run.ts'

/** Greatest `seq` of an event. */
export const maxSeq = 2 ** 31 - 1

/** What a client says on `WS /v1/stream`. Without `after` it gets the snapshot and what follows; with it, first every event with a greater `seq`. */
export const ClientMessage = Type.Union([
  Type.Object(
    { type: Type.Literal('subscribe'), run_id: RunId, after: Type.Optional(Type.Integer({ minimum: 0, maximum: maxSeq })) },
    { additionalProperties: false },
  ),
  Type.Object({ type: Type.Literal('unsubscribe'), run_id: RunId }, { additionalProperties: false }),
  Type.Object({ type: Type.Literal('subscribe_runs') }, { additionalProperties: false }),
])
export type ClientMessage = Type.Static<typeof ClientMessage>

/**
 * What the server says. `events` come in the order of `seq`, without gap or duplicate. Numbers (`block_metrics`, `progress`, `dataset_progress`) gather for at
 * most four messages a second for each run, for fewer where many hundreds follow it; any other event goes out within 50 ms, and with it what has gathered.
 * `run` tells that a run has changed: at once where its status has, else at most once a second.
 */
export const ServerMessage = Type.Union([
  Type.Object({ type: Type.Literal('snapshot'), run: Run }),
  Type.Object({ type: Type.Literal('events'), run_id: RunId, events: Type.Array(RunEvent) }),
  Type.Object({ type: Type.Literal('caught_up'), run_id: RunId, seq: Type.Integer() }),
  Type.Object({ type: Type.Literal('run'), run: Run }),
  Type.Object({ type: Type.Literal('error'), problem: Problem }),
])
export type ServerMessage = Type.Static<typeof ServerMessage>

/** Close codes of the stream beyond the standard ones. */
export const CloseCode = { clientTooSlow: 4408, unauthenticated: 4401 } as const
