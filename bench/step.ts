import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { type ImageShape, imageShapes, stepFlops } from './paper-block.ts'
import type { BenchOptions, Figure } from './bench.ts'
import { median } from './statistics.ts'
import { type Rate, rateOf, Worker } from './worker.ts'

const python = '/usr/bin/python3'
const gemmFlops = 2 * 1024 ** 3
const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url))

/**
 * Steps a second of the paper's DT block, by us and by PyTorch: one process alone, and one process for each core. Everything that is compared is measured in
 * turns, round after round; a ratio is the median of those of the rounds.
 */
export async function benchStep(options: BenchOptions): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const shape of Object.keys(imageShapes) as ImageShape[]) figures.push(...(await benchShape(shape, options)))
  return figures
}

async function benchShape(shape: ImageShape, { rounds, seconds }: BenchOptions): Promise<Figure[]> {
  const cores = availableParallelism()
  const ours = Array.from({ length: cores }, () => new Worker(process.execPath, ['--import', 'tsx', pathOf('step-worker.ts'), shape]))
  const hasPyTorch = spawnSync(python, ['-c', 'import torch']).status === 0
  const pytorch = (threads: number) =>
    new Worker(python, [pathOf('pytorch_block.py'), ...imageShapes[shape].map(String), String(threads)], {
      OMP_NUM_THREADS: String(threads),
      OPENBLAS_NUM_THREADS: String(threads),
    })
  const together = hasPyTorch ? pytorch(cores) : undefined
  const apart = hasPyTorch ? Array.from({ length: cores }, () => pytorch(1)) : []
  const others = [...(together ? [together] : []), ...apart]
  try {
    for (const worker of ours) await worker.ready()
    const about = []
    for (const worker of others) about.push(await worker.ready())
    const measured = new Map<string, Rate[]>()
    const record = async (name: string, workers: readonly Worker[], what = 'step') => {
      if (workers.length === 0) return
      const rates = measured.get(name) ?? []
      measured.set(name, [...rates, await rateOf(workers, what, seconds)])
    }
    for (let round = 0; round < rounds; round++) {
      await record('gemm, one process', ours.slice(0, 1), 'gemm')
      await record('one process', ours.slice(0, 1))
      await record('pytorch, one process, all threads', together ? [together] : [])
      await record('gemm, a process per core', ours, 'gemm')
      await record('a process per core', ours)
      await record('pytorch, a process per core', apart)
    }
    return [...figuresOf(shape, measured, cores), ...about.slice(0, 1).map((detail) => ({ name: `step/${shape}/pytorch`, detail }))]
  } finally {
    for (const worker of [...ours, ...others]) worker.stop()
  }
}

function figuresOf(shape: ImageShape, measured: ReadonlyMap<string, readonly Rate[]>, cores: number): Figure[] {
  const { asDrawn, needed } = stepFlops(shape)
  const figure = (name: string, values: readonly number[], unit: string, target?: number): Figure => ({
    name: `step/${shape}/${name}`,
    value: median(values),
    unit,
    rounds: values,
    ...(target !== undefined && { target }),
  })
  const rates = (name: string, per: keyof Rate) => (measured.get(name) ?? []).map((rate) => rate[per])
  const ratios = (per: keyof Rate, name: string, base: string, scale = 1) =>
    rates(name, per).map((rate, i) => (scale * rate) / rates(base, per)[i]!)
  // Of one thread against another, processor time is compared: it is the same as time where nothing else runs.
  const ceiling = (name: string, gemm: string, flops: number) => ratios('perCpuSecond', name, gemm, flops / gemmFlops)
  const [one, perCore] = ['one process', 'a process per core']
  const [torchOne, torchPerCore] = ['pytorch, one process, all threads', 'pytorch, a process per core']
  const figures = [
    ...[...measured.keys()].map((name) => figure(name, rates(name, 'perSecond'), name.startsWith('gemm') ? 'products/s' : 'steps/s')),
    figure(
      `${one}, GEMM ceiling`,
      rates(`gemm, ${one}`, 'perCpuSecond').map((rate) => (rate * gemmFlops) / 1e9),
      'GFLOP/s of CPU',
    ),
    figure(
      `${one}, speed`,
      rates(one, 'perCpuSecond').map((rate) => (rate * needed) / 1e9),
      'GFLOP/s of CPU',
    ),
    figure(`${one}, of the GEMM ceiling`, ceiling(one, `gemm, ${one}`, needed), '×'),
    figure(`${one}, of the GEMM ceiling, block as drawn`, ceiling(one, `gemm, ${one}`, asDrawn), '×', 0.8),
    figure(`${perCore}, of the GEMM ceiling`, ceiling(perCore, `gemm, ${perCore}`, needed), '×'),
    figure(`${perCore}, over one process`, ratios('perSecond', perCore, one), `× on ${cores} cores`),
  ]
  if (!measured.has(torchPerCore)) return figures
  return [
    ...figures,
    figure('over PyTorch, one process with all threads', ratios('perSecond', perCore, torchOne), '×', 2.5),
    figure('over PyTorch, a process per core', ratios('perSecond', perCore, torchPerCore), '×', 1.25),
    figure('over PyTorch, a process per core, in CPU time', ratios('perCpuSecond', perCore, torchPerCore), '×', 1.25),
  ]
}
