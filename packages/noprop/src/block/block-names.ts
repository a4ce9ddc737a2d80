/** @file Names where several blocks stand side by side in one map: those of block t begin with `block<t>/`. */

export const blockPrefix = (t: number) => `block${t}/`

/** Entries under longer names. */
export function addPrefix<T>(prefix: string, entries: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [prefix + name, value]))
}

/** The entries whose names begin with `prefix`, under the rest of their names. */
export function underPrefix<T>(prefix: string, entries: Readonly<Record<string, T>>): Record<string, T> {
  const chosen = Object.entries(entries).filter(([name]) => name.startsWith(prefix))
  return Object.fromEntries(chosen.map(([name, value]) => [name.slice(prefix.length), value]))
}
