import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CheckpointId, RunId } from '@noprop/contract'
import Value from 'typebox/value'
import type { Database } from '../plugins/database.ts'

const extension = '.safetensors'

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
   * Removes what a crash left behind: files without a row, folders without a run.
   *
   * @returns how many files and folders it removed
   */
  async removeOrphans({ read }: Database): Promise<number> {
    const folders = await readdir(this.#runsDir).catch(() => [])
    const known = new Map((await read.run.findMany({ select: { id: true } })).map(({ id }) => [id, new Set<string>()]))
    for (const { runId, id } of await read.checkpoint.findMany({ select: { runId: true, id: true } })) known.get(runId)?.add(id + extension)
    let removed = 0
    for (const folder of folders) {
      const files = known.get(folder)
      const orphans = files ? (await readdir(join(this.#runsDir, folder))).filter((file) => !files.has(file)) : ['']
      for (const file of orphans) await rm(join(this.#runsDir, folder, file), { recursive: true, force: true })
      removed += orphans.length
    }
    return removed
  }

  #folder(runId: string): string {
    if (!Value.Check(RunId, runId)) throw new TypeError('not a run id')
    return join(this.#runsDir, runId)
  }
}
