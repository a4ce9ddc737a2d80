import Type from 'typebox'
import { RunId } from './identifiers.ts'
import { DeviceName } from './run-config.ts'

export const DeviceDescription = Type.Object({
  name: DeviceName,
  available: Type.Boolean(),
  detail: Type.String({ description: 'what executes on it and its version, or why it is not available' }),
})
export type DeviceDescription = Type.Static<typeof DeviceDescription>

export const TrainerSlot = Type.Object({
  slot: Type.Integer({ minimum: 0 }),
  state: Type.Enum(['stopped', 'starting', 'idle', 'busy']),
  pid: Type.Union([Type.Integer(), Type.Null()]),
  run_id: Type.Union([RunId, Type.Null()]),
  activity: Type.Union([Type.String(), Type.Null()], { description: 'such as "block 3, epoch 2"' }),
  restarts: Type.Integer({ minimum: 0 }),
})
export type TrainerSlot = Type.Static<typeof TrainerSlot>

export const System = Type.Object({
  version: Type.String(),
  git_commit: Type.Union([Type.String(), Type.Null()]),
  node: Type.String(),
  platform: Type.String(),
  cores: Type.Integer(),
  memory_bytes: Type.Integer(),
  free_disk_bytes: Type.Union([Type.Integer(), Type.Null()]),
  uptime_seconds: Type.Number(),
  default_device: DeviceName,
  devices: Type.Array(DeviceDescription),
  trainers: Type.Array(TrainerSlot),
  versions: Type.Record(Type.String(), Type.String()),
})
export type System = Type.Static<typeof System>
