/**
 * Whether what is installed is what the lock file asks for. Optional packages may be missing: npm leaves out those of other
 * platforms, and those whose installation failed.
 *
 * @param {Record<string, { version?: string, optional?: boolean, devOptional?: boolean, link?: boolean }>} wanted `packages` of package-lock.json
 * @param {Record<string, { version?: string }> | undefined} installed `packages` of node_modules/.package-lock.json
 */
export function matchesLockfile(wanted, installed) {
  if (!installed) return false
  return Object.entries(wanted).every(([path, { version, optional, devOptional }]) => {
    if (!path.includes('node_modules/')) return true // the repository's own workspaces
    const found = installed[path]
    return found ? found.version === version : Boolean(optional || devOptional)
  })
}

/**
 * What a program noted in JSON about its own work; null where it never did, or was killed while it wrote.
 *
 * @param {string | null} text
 */
export function parseRecord(text) {
  try {
    return JSON.parse(text ?? 'null')
  } catch {
    return null
  }
}
