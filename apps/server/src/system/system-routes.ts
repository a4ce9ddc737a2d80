import { statfs } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { System } from '@noprop/contract'
import type { FastifyInstance } from 'fastify'
import { answers, api } from '../route-schema.ts'
import { createDeviceList } from './device-list.ts'
import { packageVersions } from './package-versions.ts'

/** What executes training steps and decodes images. */
const enginePackages = ['onnxruntime-node', '@tensorflow/tfjs-core', '@tensorflow/tfjs-node-gpu', 'sharp']

/** What this server runs on, and what it is doing. */
export async function systemRoutes(app: FastifyInstance) {
  const devices = createDeviceList(app.config.predictionWorkerEntry)
  const versions = { ...app.build.versions, ...packageVersions(enginePackages) }

  api(app).route({
    method: 'GET',
    url: '/v1/system',
    schema: { tags: ['system'], summary: 'Versions, devices, trainers and resources of the server', response: answers({ 200: System }) },
    handler: async (): Promise<System> => ({
      version: app.build.version,
      git_commit: app.build.gitCommit,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      cores: availableParallelism(),
      memory_bytes: totalmem(),
      free_disk_bytes: await freeDiskBytes(app.config.dataDir),
      uptime_seconds: process.uptime(),
      default_device: 'cpu',
      devices: await devices(),
      trainers: app.trainers.slots(),
      versions,
    }),
  })
}

/** Space that this process may still fill where the data folder lies; null where the system does not say. */
async function freeDiskBytes(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  } catch {
    return null
  }
}
