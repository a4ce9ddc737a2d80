import type { HostTensors } from '@noprop/engine'

/** Outputs that are scalars, as numbers. */
export function readScalars(outputs: HostTensors): Record<string, number> {
  return Object.fromEntries(Object.entries(outputs).map(([name, values]) => [name, values[0]!]))
}
