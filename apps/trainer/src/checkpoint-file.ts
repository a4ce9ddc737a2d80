import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { CheckpointFacts, RunConfig } from '@noprop/contract'
import type { CompiledProgram, TensorSpecs } from '@noprop/engine'
import { decodeCheckpoint, encodeCheckpoint } from '@noprop/noprop'
import { TrainerError } from './failure.ts'

interface Position {
  readonly block: number
  readonly epoch: number
  readonly step: number
  readonly config: RunConfig
}

/** Writes the state of a program so that a crash at any moment leaves either the whole file or none. */
export async function writeCheckpointFile(
  target: { checkpoint_id: string; path: string },
  { block, epoch, step, config }: Position,
  program: CompiledProgram,
  specs: TensorSpecs,
): Promise<CheckpointFacts> {
  const bytes = encodeCheckpoint({ config, block, epoch, step, state: await program.readState(), specs })
  await writeDurably(target.path, bytes)
  return {
    checkpoint_id: target.checkpoint_id,
    block,
    epoch,
    step,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    size_bytes: bytes.byteLength,
  }
}

/** @throws {TrainerError} CHECKPOINT_CORRUPT: the file is not the one whose hash was recorded */
export async function readCheckpointFile(source: { path: string; sha256: string }) {
  const bytes = await readFile(source.path)
  if (createHash('sha256').update(bytes).digest('hex') !== source.sha256) {
    throw new TrainerError('CHECKPOINT_CORRUPT', 'infrastructure', 'a checkpoint file does not have the recorded SHA-256')
  }
  return decodeCheckpoint(bytes)
}

/** Temporary file, fsync, rename, fsync of the folder. */
async function writeDurably(path: string, bytes: Uint8Array) {
  const folder = dirname(path)
  const temporary = `${path}.${process.pid}.tmp`
  await mkdir(folder, { recursive: true })
  try {
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
