import type {
  Checkpoint,
  CreateRun,
  Dataset,
  Evaluation,
  MetricSeriesList,
  Page,
  PredictResponse,
  Preset,
  Run,
  RunEvent,
  System,
} from '@noprop/contract'
import { request, requestBlob } from './client.ts'

/** One function for each endpoint that the dashboard uses. All throw `ApiError`. */

export interface Session {
  required: boolean
  authenticated: boolean
}

const runPath = (id: string) => `/v1/runs/${encodeURIComponent(id)}`

export const getSession = (signal?: AbortSignal) => request<Session>('GET', '/v1/session', { signal })
export const logIn = (token: string) => request<void>('POST', '/v1/session', { json: { token } })
export const logOut = () => request<void>('DELETE', '/v1/session')

export const listRuns = (query: { status?: string; page_size?: number; page_token?: string }, signal?: AbortSignal) =>
  request<Page<Run>>('GET', '/v1/runs', { query, signal })
export const getRun = (id: string, signal?: AbortSignal) => request<Run>('GET', runPath(id), { signal })
export const createRun = (body: CreateRun, idempotencyKey: string) =>
  request<Run>('POST', '/v1/runs', { json: body, headers: { 'idempotency-key': idempotencyKey } })
export const cancelRun = (id: string) => request<Run>('POST', `${runPath(id)}/cancel`)
export const deleteRun = (id: string) => request<void>('DELETE', runPath(id))

export const getMetrics = (id: string, query: { name?: string; block?: number; max_points?: number }, signal?: AbortSignal) =>
  request<MetricSeriesList>('GET', `${runPath(id)}/metrics`, { query, signal })
export const getEvents = (id: string, query: { after: number; page_size: number }, signal?: AbortSignal) =>
  request<Page<RunEvent>>('GET', `${runPath(id)}/events`, { query, signal })
export const listEvaluations = (id: string, signal?: AbortSignal) =>
  everyPage<Evaluation>((page_token) => request('GET', `${runPath(id)}/evaluations`, { query: { page_size: 200, page_token }, signal }))
export const listCheckpoints = (id: string, signal?: AbortSignal) =>
  everyPage<Checkpoint>((page_token) => request('GET', `${runPath(id)}/checkpoints`, { query: { page_size: 200, page_token }, signal }))

export const listPresets = async (signal?: AbortSignal) => (await request<{ items: Preset[] }>('GET', '/v1/presets', { signal })).items
export const listDatasets = async (signal?: AbortSignal) => (await request<{ items: Dataset[] }>('GET', '/v1/datasets', { signal })).items
export const getSystem = (signal?: AbortSignal) => request<System>('GET', '/v1/system', { signal })

export const datasetImageUrl = (dataset: string, split: 'train' | 'test', index: number) =>
  `/v1/datasets/${encodeURIComponent(dataset)}/images/${split}/${index}`
export const getDatasetImage = (dataset: string, split: 'train' | 'test', index: number) =>
  requestBlob(datasetImageUrl(dataset, split, index))

export interface PredictQuestion {
  image: Blob
  run_id?: string | undefined
  noise: boolean
  seed: number
}

/** Asks for everything that the page shows: the chain and what the network saw. */
export function predict({ image, run_id, noise, seed }: PredictQuestion, signal?: AbortSignal): Promise<PredictResponse> {
  const form = new FormData()
  // Fields before the file: a server that reads the form as a stream knows them when the file arrives
  if (run_id) form.set('run_id', run_id)
  form.set('return_chain', 'true')
  form.set('return_input', 'true')
  form.set('noise', String(noise))
  form.set('seed', String(seed))
  form.set('image', image, 'image.png')
  return request<PredictResponse>('POST', '/predict', { form, signal })
}

/** Follows `next_page_token` to the end, and no further than 10,000 items. */
async function everyPage<T>(fetchPage: (token: string | undefined) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = []
  let token: string | undefined
  do {
    const page = await fetchPage(token)
    items.push(...page.items)
    token = page.next_page_token ?? undefined
  } while (token !== undefined && items.length < 10_000)
  return items
}

export const streamUrl = () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/stream`
