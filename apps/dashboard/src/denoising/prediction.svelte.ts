import type { PredictResponse } from '@noprop/contract'
import { getDatasetImage, predict } from '../api/endpoints.ts'
import { drawingSize, drawStrokes, type Stroke } from './drawing.ts'

/** What is asked about: the drawing, or an image from elsewhere. */
export interface ChosenImage {
  blob: Blob
  url: string
  name: string
}

/** Wait after the last change before asking, in milliseconds: a digit of two strokes should cost one question. */
const patienceMs = 250

/** The prediction panel: the image, the options, and the newest answer. Every change asks again by itself. */
export class PredictionPanel {
  strokes = $state.raw<readonly Stroke[]>([])
  image = $state.raw<ChosenImage>()
  /** undefined: the newest run that succeeded */
  runId = $state<string>()
  noise = $state(false)
  seed = $state(0)
  answer = $state.raw<PredictResponse>()
  failure = $state.raw<unknown>()
  busy = $state(false)

  #timer: ReturnType<typeof setTimeout> | undefined
  #abort: AbortController | undefined

  constructor(runId: string | undefined) {
    this.runId = runId
  }

  get empty(): boolean {
    return this.strokes.length === 0 && !this.image
  }

  setStrokes(strokes: readonly Stroke[]): void {
    this.strokes = strokes
    this.#letGoOfImage()
    this.ask()
  }

  setImage(blob: Blob, name: string): void {
    this.#letGoOfImage()
    this.image = { blob, url: URL.createObjectURL(blob), name }
    this.strokes = []
    this.ask()
  }

  undo(): void {
    this.setStrokes(this.strokes.slice(0, -1))
  }

  clear(): void {
    this.setStrokes([])
  }

  /** Takes a test image, by chance, of a dataset with so many of them. */
  async takeTestImage(dataset: string, count: number): Promise<void> {
    const index = Math.floor(Math.random() * count)
    try {
      this.setImage(await getDatasetImage(dataset, 'test', index), `Test image ${index} of ${dataset}`)
    } catch (error) {
      this.failure = error
    }
  }

  /** Asks soon, once; an answer to an older question that still comes is dropped. */
  ask(): void {
    clearTimeout(this.#timer)
    this.#abort?.abort()
    if (this.empty) {
      this.answer = undefined
      this.failure = undefined
      this.busy = false
      return
    }
    this.busy = true
    this.#timer = setTimeout(() => void this.#askNow(), patienceMs)
  }

  dispose(): void {
    clearTimeout(this.#timer)
    this.#abort?.abort()
    this.#letGoOfImage()
  }

  async #askNow(): Promise<void> {
    const abort = new AbortController()
    this.#abort = abort
    try {
      const image = this.image?.blob ?? (await pngOf(this.strokes))
      const answer = await predict({ image, run_id: this.runId, noise: this.noise, seed: this.seed }, abort.signal)
      if (abort.signal.aborted) return
      this.answer = answer
      this.failure = undefined
      this.busy = false
    } catch (error) {
      if (abort.signal.aborted) return
      this.answer = undefined
      this.failure = error
      this.busy = false
    }
  }

  #letGoOfImage(): void {
    if (this.image) URL.revokeObjectURL(this.image.url)
    this.image = undefined
  }
}

async function pngOf(strokes: readonly Stroke[]): Promise<Blob> {
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = drawingSize
  drawStrokes(canvas.getContext('2d')!, strokes)
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('The browser could not make a PNG of the drawing'))), 'image/png'),
  )
}
