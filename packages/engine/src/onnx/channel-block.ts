import { Graph } from '../graph/graph.ts'
import { serializeGraph } from './serialize-graph.ts'
import { createSession, toOnnxTensor } from './session.ts'

/** Blocks that ONNX Runtime has kernels for, on the processors that it has them for. */
const knownBlocks = [8, 16]

/**
 * Channels in a block of ONNX Runtime's own layout on this processor (8 with AVX2, 16 with AVX-512), or nothing where it has no such layout.
 * It is not told anywhere, so it is seen: two pixels of many channels are rearranged, and the second channel of the first pixel lies one place, the second
 * pixel one block behind the start.
 */
export async function findChannelBlock(): Promise<number | undefined> {
  found ??= probe()
  return found
}
let found: Promise<number | undefined> | undefined

async function probe(): Promise<number | undefined> {
  const channels = Math.max(...knownBlocks)
  const spec = { shape: [1, channels, 1, 2], dtype: 'float32' } as const
  const graph = new Graph()
  const pixels = graph.input(spec)
  const blocks = graph.add('com.microsoft.nchwc.ReorderInput', [pixels], spec)
  try {
    const session = await createSession(serializeGraph(graph, new Map([['x', pixels]]), new Map([['y', blocks]])), 1)
    // channel c of the first pixel is c, of the second −1 − c
    const values = Float32Array.from({ length: 2 * channels }, (_, i) => (i % 2 ? -1 - (i - 1) / 2 : i / 2))
    const results = await session.run({ x: toOnnxTensor(spec, values) })
    await session.release()
    const order = [...(results['y']!.data as Float32Array)]
    return knownBlocks.find((block) => order.every((value, i) => value === inBlocks(i, block)))
  } catch {
    return undefined // a processor, or a build of ONNX Runtime, without that layout
  }
}

/** What lies at place i of the two pixels if a block has so many channels. */
function inBlocks(i: number, block: number): number {
  const channel = Math.floor(i / (2 * block)) * block + (i % block)
  return Math.floor(i / block) % 2 ? -1 - channel : channel
}
