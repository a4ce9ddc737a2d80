import { availableParallelism } from 'node:os'
import type { CreateRun, PredictResponse } from '@noprop/contract'
import autocannon from 'autocannon'
import type { BenchOptions, Figure } from './bench.ts'
import { median } from './statistics.ts'
import { Studio } from './studio.ts'

const clientCounts = [1, 8, 64] as const
const mostRounds = 3
/** Enough for the numbers that are compared: how good the networks are does not matter here. */
const shortRun = { epochs: 1, train_limit: 256, test_limit: 100, validation_size: 0 } as const
const networks: Readonly<Record<string, CreateRun>> = {
  quick: { dataset: 'synthetic-digits', preset: 'quick', config: shortRun },
  paper: { dataset: 'synthetic-digits', preset: 'paper-dt-mnist-onehot', config: shortRun },
  'quick-ct': { dataset: 'synthetic-digits', preset: 'quick-ct', config: shortRun },
}

/** One server that computes concurrent predictions together, and one that computes each alone. */
const kinds = { batched: {}, unbatched: { NOPROP_PREDICT_BATCH: '1' } } as const
type Kind = keyof typeof kinds

interface Load {
  readonly perSecond: number
  /** milliseconds */
  readonly p50: number
  readonly p99: number
}

/**
 * `POST /predict` with one 28×28 PNG a request, by 1, 8 and 64 clients that each send the next request when the last is answered, with and without batches in
 * turns. The clients run on the same machine and take their part of it.
 */
export async function benchPredict(options: BenchOptions): Promise<Figure[]> {
  return Studio.with({ trainers: availableParallelism(), env: kinds.batched }, async (batched) =>
    Studio.with({ trainers: availableParallelism(), env: kinds.unbatched }, async (unbatched) => {
      const figures: Figure[] = []
      for (const [network, request] of Object.entries(networks))
        figures.push(...(await benchNetwork(network, request, { batched, unbatched }, options)))
      return figures
    }),
  )
}

async function benchNetwork(
  network: string,
  request: CreateRun,
  studios: Readonly<Record<Kind, Studio>>,
  { rounds, seconds }: BenchOptions,
): Promise<Figure[]> {
  const images = await Promise.all(Array.from({ length: 64 }, (_, i) => testImage(studios.batched, i)))
  const bodies: Partial<Record<Kind, string[]>> = {}
  for (const kind of Object.keys(kinds) as Kind[]) {
    const { id } = await studios[kind].train(request)
    bodies[kind] = images.map((b64) => JSON.stringify({ instances: [{ b64 }], run_id: id }))
    // compiles the chains
    await Promise.all(bodies[kind].map((body) => predict(studios[kind], body)))
  }

  const figures: Figure[] = []
  for (const clients of clientCounts) {
    const loads: Record<Kind, Load[]> = { batched: [], unbatched: [] }
    for (let round = 0; round < Math.min(rounds, mostRounds); round++) {
      for (const kind of Object.keys(kinds) as Kind[]) loads[kind].push(await load(studios[kind], bodies[kind]!, clients, seconds))
    }
    const name = `predict/${network}/${clients} ${clients === 1 ? 'client' : 'clients'}`
    for (const kind of Object.keys(kinds) as Kind[]) {
      const of = (key: keyof Load) => loads[kind].map((measured) => measured[key])
      figures.push(
        { name: `${name}, ${kind}`, value: median(of('perSecond')), unit: 'predictions/s', rounds: of('perSecond') },
        { name: `${name}, ${kind}, p50`, value: median(of('p50')), unit: 'ms', rounds: of('p50') },
        { name: `${name}, ${kind}, p99`, value: median(of('p99')), unit: 'ms', rounds: of('p99') },
      )
    }
    const ratios = loads.batched.map(({ perSecond }, i) => perSecond / loads.unbatched[i]!.perSecond)
    const most = clients === Math.max(...clientCounts)
    figures.push({ name: `${name}, batched over unbatched`, value: median(ratios), unit: '×', rounds: ratios, ...(most && { target: 3 }) })
  }
  return [...figures, await compareAnswers(network, studios.batched, bodies.batched!)]
}

/** How far the answers to 64 requests at once are from those to the same requests one by one. */
async function compareAnswers(network: string, studio: Studio, bodies: readonly string[]): Promise<Figure> {
  const alone: PredictResponse[] = []
  for (const body of bodies) alone.push(await predict(studio, body))
  const together = await Promise.all(bodies.map((body) => predict(studio, body)))
  const first = ({ predictions }: PredictResponse) => predictions[0]!
  const differences = together.flatMap((answer, i) => {
    const [a, b] = [first(answer), first(alone[i]!)]
    if (a.label !== b.label) throw new Error(`image ${i} is a ${b.label} alone and a ${a.label} in a batch`)
    return a.probabilities.map((p, k) => Math.abs(p - b.probabilities[k]!))
  })
  return { name: `predict/${network}/largest difference to a single answer`, value: Math.max(...differences), unit: '', atMost: 1e-5 }
}

async function load({ url }: Studio, bodies: readonly string[], clients: number, seconds: number): Promise<Load> {
  const { requests, latency, duration, non2xx, errors } = await autocannon({
    url: `${url}/predict`,
    connections: clients,
    duration: seconds,
    requests: bodies.map((body) => ({ method: 'POST' as const, headers: { 'content-type': 'application/json' }, body })),
  })
  if (non2xx + errors > 0) throw new Error(`${non2xx + errors} predictions were not answered`)
  return { perSecond: requests.total / duration, p50: latency.p50, p99: latency.p99 }
}

function predict(studio: Studio, body: string): Promise<PredictResponse> {
  return studio.post<PredictResponse>('/predict', JSON.parse(body))
}

async function testImage({ url }: Studio, index: number): Promise<string> {
  const response = await fetch(`${url}/v1/datasets/synthetic-digits/images/test/${index}`)
  return Buffer.from(await response.arrayBuffer()).toString('base64')
}
