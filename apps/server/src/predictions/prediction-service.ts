import { type ChainStep, isFinal, type PredictRequest, type PredictResponse, type Prediction, type Run } from '@noprop/contract'
import { datasetCatalog, type DatasetFacts, normalizePixels } from '@noprop/datasets'
import sharp from 'sharp'
import { ApiError } from '../api-error.ts'
import type { PrismaClient } from '../generated/prisma/client.ts'
import type { RunService } from '../runs/run-service.ts'
import { decodeImage, type ImageFile } from './image-decoder.ts'
import { invalid } from './predict-request.ts'
import { CheckpointGoneError, type PredictionPool, type PredictionResult } from './prediction-pool.ts'
import type { ModelReference, PredictionTask } from './prediction-task.ts'
import type { PreparedImage } from './prepared-image.ts'
import { preprocessing } from './preprocessing.ts'
import { findServableModel } from './servable-model.ts'

export type PredictOptions = Omit<PredictRequest, 'instances'>

export interface PredictionServiceParts {
  readonly db: PrismaClient
  readonly runs: RunService
  readonly pool: Pick<PredictionPool, 'run'>
  /** requests being decoded, waiting or computed, beyond which others are refused; each has at most one task in the line of the pool */
  readonly maxRequests: number
  /** images of a request that are put in line together */
  readonly groupSize: number
  checkpointPath(runId: string, checkpointId: string): string
}

/** Networks of ended runs, whose checkpoints do not change any more, kept so that a prediction asks the database once. */
const maxKnownModels = 32

/** Puts images through the network of a run. */
export class PredictionService {
  readonly #parts: PredictionServiceParts
  readonly #models = new Map<string, ModelReference>()
  #requests = 0
  #warmRunId: string | null = null

  constructor(parts: PredictionServiceParts) {
    this.#parts = parts
  }

  /** Loads and compiles the network that predictions use by default, if there is one; tried once for each. */
  async warmUp(): Promise<void> {
    const run = await this.#parts.runs.newestSucceeded()
    if (!run || run.id === this.#warmRunId) return
    this.#warmRunId = run.id
    const model = await this.#modelOf(run)
    await this.#parts.pool.run(
      { model, images: new Float32Array(), keys: [], seed: 0, noise: false, draws: 1 },
      new AbortController().signal,
    )
  }

  /**
   * @param signal aborted when nobody waits for the answer any more
   * @throws {ApiError} NO_MODEL, RUN_NOT_FOUND, RUN_HAS_NO_MODEL; IMAGE_… and VALIDATION_FAILED naming the field; OVERLOADED
   */
  async predict(files: readonly ImageFile[], options: PredictOptions, signal: AbortSignal): Promise<PredictResponse> {
    if (this.#requests >= this.#parts.maxRequests)
      throw new ApiError('OVERLOADED', 'Too many predictions are waiting; try again in a second', {
        status: 503,
        title: 'The server is busy',
      })
    this.#requests++
    try {
      return await this.#predict(files, options, signal)
    } finally {
      this.#requests--
    }
  }

  async #predict(files: readonly ImageFile[], options: PredictOptions, signal: AbortSignal): Promise<PredictResponse> {
    if ((options.draws ?? 1) > 1 && !options.noise) throw invalid('draws', 'needs noise: true, for the noise-free chain draws nothing')
    const startedAt = performance.now()
    const run = await this.#findRun(options.run_id)
    const model = await this.#modelOf(run)
    const facts = datasetCatalog[run.dataset]

    let decodedAt = startedAt
    const preparing = this.#prepare(files, run, signal).finally(() => (decodedAt = performance.now()))
    const runWith = (network: ModelReference) => this.#runGroups(network, files.length, preparing, facts, options, signal)
    const results = await runWith(model).catch(async (error: unknown) => {
      // a run that is still training may have replaced the checkpoints since they were chosen
      if (!(error instanceof CheckpointGoneError) || isFinal(run.status)) throw error
      return runWith(await this.#modelOf(run))
    })
    const { groupSize } = this.#parts
    const predictions: Prediction[] = []
    for (const [i, image] of (await preparing).entries()) {
      const prediction = predictionOf(results[Math.floor(i / groupSize)]!, i % groupSize, facts.classes, options.return_chain ?? false)
      predictions.push(options.return_input ? { ...prediction, input: await describeInput(image, facts) } : prediction)
    }
    return {
      predictions,
      run_id: run.id,
      device: results[0]!.device,
      timings: {
        decode_seconds: (decodedAt - startedAt) / 1000,
        chain_seconds: results.reduce((sum, { chainSeconds }) => sum + chainSeconds, 0),
        total_seconds: (performance.now() - startedAt) / 1000,
      },
    }
  }

  async #prepare(files: readonly ImageFile[], { dataset }: Run, signal: AbortSignal): Promise<PreparedImage[]> {
    const prepared: PreparedImage[] = []
    for (const file of files) {
      signal.throwIfAborted()
      prepared.push(await preprocessing[dataset](await decodeImage(file)))
    }
    return prepared
  }

  /** In groups, so that a large request does not hold up the small ones for longer than one of them takes. */
  async #runGroups(
    model: ModelReference,
    count: number,
    preparing: Promise<readonly PreparedImage[]>,
    facts: DatasetFacts,
    options: PredictOptions,
    signal: AbortSignal,
  ): Promise<PredictionResult[]> {
    const { pool, groupSize } = this.#parts
    const taskAt = async (start: number): Promise<PredictionTask> => {
      const group = (await preparing).slice(start, start + groupSize)
      const images = normalizePixels(Buffer.concat(group.map(({ pixels }) => pixels)), facts.normalization)
      const keys = group.map((_, i) => start + i)
      return { model, images, keys, seed: options.seed ?? 0, noise: options.noise ?? false, draws: options.draws ?? 1 }
    }
    const results: PredictionResult[] = []
    for (let start = 0; start < count; start += groupSize) results.push(await pool.run(taskAt(start), signal))
    return results
  }

  async #findRun(runId: string | undefined): Promise<Run> {
    const run = runId === undefined ? await this.#parts.runs.newestSucceeded() : await this.#parts.runs.get(runId)
    if (run) return run
    throw new ApiError(
      'NO_MODEL',
      'No run has succeeded yet. Start one with POST /v1/runs, or name a run that has finished an epoch in run_id',
      {
        status: 409,
        title: 'There is no network to predict with',
      },
    )
  }

  async #modelOf(run: Run): Promise<ModelReference> {
    const known = this.#models.get(run.id)
    if (known) return known
    const checkpoints = await findServableModel(this.#parts.db, run)
    const facts = datasetCatalog[run.dataset]
    const model: ModelReference = {
      key: checkpoints.map(({ checkpointId }) => checkpointId).join(),
      config: run.config,
      imageShape: facts.imageShape,
      numClasses: facts.classes.length,
      checkpoints: checkpoints.map(({ checkpointId, block, sha256 }) => ({
        block,
        sha256,
        path: this.#parts.checkpointPath(run.id, checkpointId),
      })),
    }
    if (isFinal(run.status)) {
      this.#models.set(run.id, model)
      for (const id of [...this.#models.keys()].slice(0, -maxKnownModels)) this.#models.delete(id)
    }
    return model
  }
}

/** The class is read from the last estimate. */
function predictionOf(
  { steps, estimates, head }: PredictionResult,
  index: number,
  classes: readonly string[],
  withChain: boolean,
): Prediction {
  const read = (values: Float32Array) => {
    const probabilities = [...values.subarray(index * classes.length, (index + 1) * classes.length)].map((p) => Math.min(1, Math.max(0, p)))
    const best = probabilities.indexOf(Math.max(...probabilities))
    return { index: best, label: classes[best]!, probabilities }
  }
  const last = read(estimates.at(-1)!)
  const prediction: Prediction = {
    label: last.label,
    index: last.index,
    probability: last.probabilities[last.index]!,
    probabilities: last.probabilities,
  }
  if (!withChain) return prediction
  const chain = estimates.map((values, i): ChainStep => {
    const { label, probabilities } = read(values)
    return { step: steps[i]!, label, probabilities }
  })
  const decoded = read(head)
  return { ...prediction, chain, head: { label: decoded.label, probabilities: decoded.probabilities } }
}

async function describeInput(
  { pixels, inverted, cropped }: PreparedImage,
  { imageShape }: DatasetFacts,
): Promise<NonNullable<Prediction['input']>> {
  const [height, width, channels] = imageShape
  const raw = { width, height, channels: channels as 1 | 3 }
  const png = await sharp(pixels, { raw }).png().toBuffer()
  return { png_b64: png.toString('base64'), inverted, cropped }
}
