import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CheckpointId, RunId } from '@noprop/contract'
import Value from 'typebox/value'
import type { Database } from '../plugins/database.ts'

const extension = '.safetensors'
/** What `removeRun` calls a folder that it is about to remove. */
const deletedFolder = /^deleted-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** What a trainer calls a checkpoint that it is writing. */
const unfinished = /\.\d+\.tmp$/

/** Checkpoint files: `<data dir>/runs/<run id>/<checkpoint id>.safetensors`. Their rows are written after them and deleted before them. */
export class CheckpointStore {
  readonly #runsDir: string

  constructor(dataDir: string) {
    this.#runsDir = join(dataDir, 'runs')
  }

  /** @throws {TypeError} an id that this server did not make */
  path(runId: string, checkpointId: string): string {
    if (!Value.Check(CheckpointId, checkpointId)) throw new TypeError('not a checkpoint id')
    return join(this.#folder(runId), checkpointId + extension)
  }

  /** Size in bytes, or null where there is no such file. */
  async size(runId: string, checkpointId: string): Promise<number | null> {
    return (await stat(this.path(runId, checkpointId)).catch(() => null))?.size ?? null
  }

  async createRunFolder(runId: string) {
    await mkdir(this.#folder(runId), { recursive: true })
  }

  async remove(runId: string, checkpointIds: readonly string[]) {
    for (const id of checkpointIds) await rm(this.path(runId, id), { force: true })
  }

  async removeRun(runId: string) {
    // out of the way first: readers see all of its files or none
    const doomed = join(this.#runsDir, `deleted-${randomUUID()}`)
    await rename(this.#folder(runId), doomed).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    await rm(doomed, { recursive: true, force: true })
  }

  /**
   * Removes what a crash left behind: checkpoints without a row, folders without a run. Touches nothing but what the names say is of this server's making,
   * since the folder may be shared with other tools; and nothing at all while the database knows no run, for then it may be the database that was lost.
   *
   * @returns how many files and folders it removed
   */
  async removeOrphans({ read }: Database): Promise<number> {
    const known = new Map((await read.run.findMany({ select: { id: true } })).map(({ id }) => [id, new Set<string>()]))
    if (known.size === 0) return 0
    for (const { runId, id } of await read.checkpoint.findMany({ select: { runId: true, id: true } })) known.get(runId)?.add(id + extension)
    let removed = 0
    for (const entry of await readdir(this.#runsDir, { withFileTypes: true }).catch(() => [])) {
      if (!entry.isDirectory() || !(Value.Check(RunId, entry.name) || deletedFolder.test(entry.name))) continue
      const folder = join(this.#runsDir, entry.name)
      const files = known.get(entry.name)
      const orphans = (await readdir(folder)).filter((file) => isCheckpointFile(file) && !files?.has(file))
      for (const file of orphans) await rm(join(folder, file), { force: true })
      removed += orphans.length
      if (!files && (await removeIfEmpty(folder))) removed++
    }
    return removed
  }

  #folder(runId: string): string {
    if (!Value.Check(RunId, runId)) throw new TypeError('not a run id')
    return join(this.#runsDir, runId)
  }
}

function isCheckpointFile(name: string): boolean {
  const finished = name.replace(unfinished, '')
  return finished.endsWith(extension) && Value.Check(CheckpointId, finished.slice(0, -extension.length))
}

async function removeIfEmpty(folder: string): Promise<boolean> {
  try {
    await rmdir(folder)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
    throw error
  }
}
