import { System } from '@noprop/contract'
import Value from 'typebox/value'
import { expect, test } from 'vitest'
import { TestServer } from './support/test-server.ts'

test('the system says what it is, what runs on it, and what it has left', async () => {
  const server = await TestServer.start({ gitCommit: 'a'.repeat(40) })
  try {
    const { status, body } = await server.get<System>('/v1/system')
    expect(status).toBe(200)
    expect(Value.Errors(System, body)).toEqual([])
    expect(body.node).toBe(process.version)
    expect(body.git_commit).toBe('a'.repeat(40))
    expect(body.memory_bytes).toBeGreaterThan(2 ** 28)
    expect(body.free_disk_bytes).toBeGreaterThan(0)
    expect(body.trainers.map(({ slot }) => slot)).toEqual([0, 1])
    expect(body.devices.map(({ name }) => name).sort()).toEqual(['cpu', 'reference', 'tensorflow'])
    const cpu = body.devices.find(({ name }) => name === 'cpu')
    expect(cpu).toMatchObject({ available: true })
    expect(cpu?.detail).toContain('ONNX Runtime')
    expect(body.devices.every(({ detail }) => detail.length > 0)).toBe(true)
    expect(Object.keys(body.versions)).toEqual(
      expect.arrayContaining(['node', 'fastify', 'onnxruntime-node', '@tensorflow/tfjs-core', 'sharp']),
    )
  } finally {
    await server.close()
  }
})
