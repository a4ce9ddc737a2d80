import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { CreateRun, Run, RunEvent, System } from '@noprop/contract'
import type { BenchOptions, Figure } from './bench.ts'
import { findDigits } from './digits.ts'
import { peakMemory } from './peak-memory.ts'
import { processCpu } from './process-cpu.ts'
import type { ClientReport } from './stream-client.ts'
import { median } from './statistics.ts'
import { percentile, StreamCrowd } from './stream-crowd.ts'
import { Studio } from './studio.ts'
import { rateOf, Worker } from './worker.ts'

const clients = 1000
const eventsPerSecond = 10
/** Events that clients who come back have missed. */
const missedEvents = 1000
/** Of trainers: a loop that is compared with one yields to others as much. */
const niceness = 5
const cores = availableParallelism()
const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url))

/**
 * What it costs to tell a thousand clients of a run, and what it costs training.
 *
 * Server, clients and training share the cores of one machine here, and the clients need more of them than the server does. So beside the speed of training
 * itself, which the clients slow as well, there is what the server takes of the machine: on a machine without the clients, training has that much less.
 */
export async function benchStreams({ rounds, seconds }: BenchOptions): Promise<Figure[]> {
  const [times, length] = [Math.min(rounds, 3), 3 * seconds]
  const crowd = new StreamCrowd()
  // one for each core: as many as there are trainers
  const loops = Array.from(
    { length: cores },
    () => new Worker('nice', ['-n', String(niceness), process.execPath, '--import', 'tsx', pathOf('step-worker.ts'), 'mnist']),
  )
  try {
    for (const loop of loops) await loop.ready()
    const bench = { crowd, loops, rounds: times, seconds: length }
    return [
      { name: 'streams', detail: { clients, 'load processes': 2, 'training loops': cores, rounds: times, seconds: length } },
      ...(await benchSteady(bench)),
      ...(await benchRun(bench)),
    ]
  } finally {
    crowd.stop()
    for (const loop of loops) loop.stop()
  }
}

interface Bench {
  readonly crowd: StreamCrowd
  readonly loops: readonly Worker[]
  readonly rounds: number
  /** of one measurement */
  readonly seconds: number
}

interface Measured {
  /** of training, per second and per second of its own processor time */
  readonly steps: { readonly perSecond: number; readonly perCpuSecond: number }
  /** processors' worth of time that the server takes */
  readonly server: number
}

/** A trainer that tells something ten times a second, next to loops that train without a server. */
async function benchSteady({ crowd, loops, rounds, seconds }: Bench): Promise<Figure[]> {
  return Studio.with({ trainers: 1, entry: pathOf('steady-server.ts') }, async (studio) => {
    const figures: Figure[] = []
    for (const [kind, blocks] of [
      ['log lines', 1],
      ['metrics', 2],
    ] as const) {
      const config = { eta: 1000 / eventsPerSecond, blocks, train_limit: missedEvents }
      const { id: runId } = await studio.startRun({ dataset: 'mnist', preset: 'smoke', config })
      await untilSeq(studio, runId, missedEvents)
      const alone: Measured[] = []
      const listened: Measured[] = []
      const reports: ClientReport[] = []
      for (let round = 0; round < (kind === 'metrics' ? 1 : rounds); round++) {
        const measure = () => measureServer(studio, () => rateOf(loops, 'step', seconds))
        alone.push(await measure())
        listened.push(await withCrowd(crowd, studio, runId, reports, measure))
      }
      const name = `streams/${eventsPerSecond} ${kind} a second`
      figures.push(
        ...deliveryFigures(name, reports, kind === 'metrics' ? undefined : 150),
        ...slowingFigures(name, alone, listened, reports),
      )
      if (kind === 'log lines') figures.push(...(await benchReturn(crowd, studio, runId)))
      await studio.post(`/v1/runs/${runId}/cancel`)
      await studio.untilEnd(runId)
    }
    return figures
  })
}

/** Everybody comes back at the same time and wants what was missed; meanwhile somebody else asks for something small, again and again. */
async function benchReturn(crowd: StreamCrowd, studio: Studio, runId: string): Promise<Figure[]> {
  const waits: number[] = []
  let isOver = false
  const ask = async () => {
    while (!isOver) {
      const askedAt = performance.now()
      await studio.get('/livez')
      waits.push(performance.now() - askedAt)
      await sleep(20)
    }
  }
  const asking = ask()
  const cpuBefore = processCpu(studio.pid)
  await crowd.connect({ url: studio.url, runId, clients, after: 0 })
  const cpu = processCpu(studio.pid) - cpuBefore
  isOver = true
  await asking
  const { misplaced, failures, connectSeconds } = await crowd.report()
  await crowd.disconnect()
  const name = `streams/${clients} come back, ${missedEvents} events missed`
  const memory = peakMemory(studio.pid)
  return [
    figure(`${name}: until all have caught up`, [connectSeconds], 's'),
    figure(`${name}: server`, [cpu], 's of CPU'),
    figure(`${name}: slowest other answer meanwhile`, [Math.max(...waits)], 'ms'),
    figure(`${name}: missing, doubled or out of turn`, [misplaced], 'events', 0),
    figure(`${name}: connections lost and problems`, [failures.length], '', 0),
    ...(memory === null ? [] : [figure(`${name}: peak memory of the server so far`, [memory], 'MiB')]),
  ]
}

/** The product with a run of the paper's blocks: listened to by nobody, by the crowd, and the same steps without the product. */
async function benchRun({ crowd, loops, rounds, seconds }: Bench): Promise<Figure[]> {
  const { dataset, datasetsDir } = await findDigits()
  const request: CreateRun = { dataset, preset: 'paper-dt-mnist-onehot', config: { metrics_interval: 1 } }
  return Studio.with({ datasetsDir }, async (studio) => {
    const alone: Measured[] = []
    const listened: Measured[] = []
    const bare: Measured['steps'][] = []
    const reports: ClientReport[] = []
    for (let round = 0; round < rounds; round++) {
      const { id: runId } = await studio.startRun(request)
      await untilTraining(studio, runId)
      const measure = () => measureServer(studio, () => measureRun(studio, runId, seconds))
      alone.push(await measure())
      listened.push(await withCrowd(crowd, studio, runId, reports, measure))
      await studio.post(`/v1/runs/${runId}/cancel`)
      await studio.untilEnd(runId)
      bare.push(await rateOf(loops, 'step', seconds))
    }
    const name = 'streams/a run'
    const ratio = (of: (steps: Measured['steps']) => number) => alone.map(({ steps }, i) => of(steps) / of(bare[i]!))
    return [
      ...deliveryFigures(name, reports),
      ...slowingFigures(name, alone, listened, reports),
      figure(
        `${name}, nobody listens: server`,
        alone.map(({ server }) => (100 * server) / cores),
        '% of the machine',
      ),
      figure(
        `${name}, nobody listens: speed over bare loops`,
        ratio(({ perSecond }) => perSecond),
        '×',
      ),
      figure(
        `${name}, nobody listens: speed over bare loops, of CPU`,
        ratio(({ perCpuSecond }) => perCpuSecond),
        '×',
      ),
    ]
  })
}

/** Measures while the crowd listens, and keeps what it heard. */
async function withCrowd<T>(
  crowd: StreamCrowd,
  studio: Studio,
  runId: string,
  reports: ClientReport[],
  measure: () => Promise<T>,
): Promise<T> {
  await crowd.connect({ url: studio.url, runId, clients })
  const { connectSeconds, failures } = await crowd.report()
  const result = await measure()
  const report = await crowd.report()
  reports.push({ ...report, connectSeconds, failures: [...failures, ...report.failures] })
  await crowd.disconnect()
  await sleep(500)
  return result
}

async function measureServer(studio: Studio, train: () => Promise<Measured['steps']>): Promise<Measured> {
  const [startedAt, cpuBefore] = [performance.now(), processCpu(studio.pid)]
  const steps = await train()
  return { steps, server: (processCpu(studio.pid) - cpuBefore) / ((performance.now() - startedAt) / 1000) }
}

/** Steps of all blocks while it waits. */
async function measureRun(studio: Studio, runId: string, seconds: number): Promise<Measured['steps']> {
  const { trainers } = await studio.get<System>('/v1/system')
  const pids = trainers.flatMap(({ pid }) => pid ?? [])
  const cpu = () => pids.reduce((sum, pid) => sum + processCpu(pid), 0)
  const { last_seq: seq } = await studio.get<Run>(`/v1/runs/${runId}`)
  const [from, cpuBefore] = [Date.now(), cpu()]
  await sleep(1000 * seconds)
  const [to, cpuAfter] = [Date.now(), cpu()]
  // trainers report some steps at a time
  await sleep(500)
  const events = (await studio.events(runId)).filter((event) => event.seq > seq - 200)
  const steps = stepsAt(events, to) - stepsAt(events, from)
  return { perSecond: steps / ((to - from) / 1000), perCpuSecond: steps / (cpuAfter - cpuBefore) }
}

/** Steps that the blocks have done at a time, between two reports in proportion. */
function stepsAt(events: readonly RunEvent[], time: number): number {
  const reports = new Map<number, { time: number; step: number }[]>()
  for (const event of events) {
    if (event.type !== 'block_metrics' || event.block === 0) continue
    const list = reports.get(event.block) ?? []
    reports.set(event.block, [...list, { time: Date.parse(event.time), step: event.step }])
  }
  let steps = 0
  for (const list of reports.values()) {
    // of those that came together the last one tells where the block stood
    const points = list.filter((point, i) => point.time !== list[i + 1]?.time)
    const next = points.findIndex((point) => point.time > time)
    const [before, after] = next < 1 ? [points.at(next), points.at(next)] : [points[next - 1], points[next]]
    const part = before === after ? 0 : (time - before!.time) / (after!.time - before!.time)
    steps += before!.step + part * (after!.step - before!.step)
  }
  return steps
}

async function untilSeq(studio: Studio, runId: string, seq: number) {
  while ((await studio.get<Run>(`/v1/runs/${runId}`)).last_seq < seq) await sleep(100)
}

/** Until there is a block in every trainer, and each has made some steps. */
async function untilTraining(studio: Studio, runId: string) {
  for (;;) {
    const { blocks } = await studio.get<Run>(`/v1/runs/${runId}`)
    if (blocks.filter(({ block, step, trainer }) => block > 0 && step > 2 && trainer !== null).length >= cores) return
    await sleep(200)
  }
}

/** Whether and when events arrive. */
function deliveryFigures(name: string, reports: readonly ClientReport[], atMost?: number): Figure[] {
  const each = (of: (report: ClientReport) => number) => reports.map(of)
  const latency = (share: number) => each(({ latencies }) => percentile(latencies, share))
  return [
    figure(`${name}: p50 from event to client`, latency(0.5), 'ms'),
    figure(`${name}: p99 from event to client`, latency(0.99), 'ms', atMost),
    figure(`${name}: slowest`, latency(1), 'ms'),
    figure(
      `${name}: events missing, doubled or out of turn`,
      each(({ misplaced }) => misplaced),
      '',
      0,
    ),
    figure(
      `${name}: connections lost and problems`,
      each(({ failures }) => failures.length),
      '',
      0,
    ),
    figure(
      `${name}: clients apart at the end`,
      each(({ newest: [least, greatest] }) => greatest - least),
      'events',
    ),
    figure(
      `${name}: events to each client`,
      each(({ events, seconds }) => events / clients / seconds),
      '/s',
    ),
    figure(
      `${name}: messages to the client that got fewest`,
      each(({ fewestMessages, seconds }) => fewestMessages / seconds),
      '/s',
    ),
    figure(
      `${name}: sent`,
      each(({ bytes, seconds }) => bytes / seconds / 1e6),
      'MB/s',
    ),
    figure(
      `${name}: until ${clients} have connected and caught up`,
      each(({ connectSeconds }) => connectSeconds),
      's',
    ),
  ]
}

/** What training loses by the clients. */
function slowingFigures(
  name: string,
  alone: readonly Measured[],
  listened: readonly Measured[],
  reports: readonly ClientReport[],
): Figure[] {
  const percent = (share: (alone: Measured, listened: Measured) => number) => listened.map((with_, i) => 100 * share(alone[i]!, with_))
  return [
    figure(
      `${name}: server, nobody listens`,
      alone.map(({ server }) => 100 * server),
      '% of a core',
    ),
    figure(
      `${name}: server, ${clients} listen`,
      listened.map(({ server }) => 100 * server),
      '% of a core',
    ),
    figure(
      `${name}: clients`,
      reports.map(({ cpuSeconds }) => cpuSeconds),
      's of CPU',
    ),
    figure(
      `${name}: training slowed by the server`,
      percent((without, with_) => (with_.server - without.server) / cores),
      '%',
      2,
    ),
    figure(
      `${name}: training slowed by server and clients`,
      percent((without, with_) => 1 - with_.steps.perSecond / without.steps.perSecond),
      '%',
    ),
    figure(
      `${name}: training slowed, in CPU time`,
      percent((without, with_) => 1 - with_.steps.perCpuSecond / without.steps.perCpuSecond),
      '%',
    ),
  ]
}

function figure(name: string, rounds: readonly number[], unit: string, atMost?: number): Figure {
  return { name, value: median(rounds), unit, rounds, ...(atMost !== undefined && { atMost }) }
}
