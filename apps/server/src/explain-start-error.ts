import type { Config } from './config.ts'

/** Codes of errors whose own message tells a user what to do. */
const explainedCodes = ['DATA_DIR_LOCKED', 'MIGRATION_REFUSED']

/** What to print of an error that ended the start: a sentence that says how to mend it, or the error itself where it is none of those a user can mend. */
export function explainStartError(error: NodeJS.ErrnoException, { host, port, dataDir }: Config): unknown {
  const { code = '', message, syscall } = error
  if (explainedCodes.includes(code)) return message
  if (code === 'EADDRINUSE') return `Port ${port} of ${host} is in use. Set PORT to another one, or end the program that uses it.`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `HOST=${host} is no address of this machine. Set it to one that is, such as 127.0.0.1.`
  if (code === 'EACCES' && syscall === 'listen') return `Port ${port} needs privileges. Set PORT to 1024 or above.`
  if (code === 'ENOSPC' || code === 'SQLITE_FULL') return `The disk of the data folder ${dataDir} is full. Make room, then start again.`
  if (/^SQLITE_(NOTADB|CORRUPT)/.test(code))
    return `A database in the data folder ${dataDir} is damaged (${message}). Restore it from a backup, or set NOPROP_DATA_DIR to another folder.`
  if (/^(EACCES|EPERM|EROFS|EEXIST|ENOTDIR|ENOENT|SQLITE_CANTOPEN.*|SQLITE_READONLY.*)$/.test(code))
    return `The data folder ${dataDir} cannot be written (${message}). Set NOPROP_DATA_DIR to one that can.`
  return error
}
