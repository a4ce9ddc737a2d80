import { createHash } from 'node:crypto'
import { type HostTensors, openDevice } from '../src/index.ts'
import { batchOfStep, initialState, smallNetwork } from './small-network.ts'

/** Outputs of the first step, and the state after the last. */
export async function train(deviceName: string, steps: number): Promise<{ first: HostTensors; state: HostTensors }> {
  const device = await openDevice(deviceName)
  const program = await device.compile(smallNetwork)
  await program.writeState(initialState())
  const first = await program.run(batchOfStep(0))
  for (let step = 1; step < steps; step++) await program.run(batchOfStep(step))
  const state = await program.readState()
  program.dispose()
  device.dispose()
  return { first, state }
}

export function hashOf(tensors: HostTensors): string {
  const hash = createHash('sha256')
  for (const values of Object.values(tensors)) hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  return hash.digest('hex')
}
