import type { Task, TrainerSlot, TrainerToServer } from '@noprop/contract'
import type { FastifyBaseLogger } from 'fastify'
import { type TrainerExit, TrainerProcess } from './trainer-process.ts'

export interface TrainerPoolOptions {
  readonly size: number
  readonly entry: string
  /** environment of a trainer */
  env(slot: number): NodeJS.ProcessEnv
  readonly heartbeatTimeoutMs: number
  readonly stopTimeoutMs: number
  readonly idleTrainerMs: number
  /** counts the processes that ended unasked */
  readonly restarts: { inc(): void }
  readonly log: FastifyBaseLogger
}

export interface TrainerPoolListener {
  /** A trainer waits for a task. */
  onIdle(): void
  onMessage(slot: number, message: TrainerToServer): void
  /** A process ended that was not told to; what it was working on stays assigned until `finish`. */
  onLost(slot: number, exit: TrainerExit): void
  /** No trainer can be started at all. */
  onCannotStart(exit: TrainerExit): void
}

interface Slot {
  readonly index: number
  state: TrainerSlot['state']
  process: TrainerProcess | null
  task: Task | null
  restarts: number
  /** unexpected ends in a row */
  failures: number
  /** a start that waits for its time, or the end of its idleness */
  timer: NodeJS.Timeout | null
  stopTimer: NodeJS.Timeout | null
}

const startTimeoutMs = 30_000
const watchIntervalMs = 500
const firstBackoffMs = 250
const longestBackoffMs = 30_000
/** Failed starts of one slot, with no trainer running, after which the pool gives up. */
const maxFailedStarts = 4

/** The trainer processes of this machine: started when there is work, watched, replaced when they die, sent home when there is none. */
export class TrainerPool {
  readonly #options: TrainerPoolOptions
  readonly #slots: Slot[]
  #listener: TrainerPoolListener | null = null
  #watch: NodeJS.Timeout
  #watchedAt = Date.now()
  #wanted = false
  #closed = false

  constructor(options: TrainerPoolOptions) {
    this.#options = options
    this.#slots = Array.from({ length: options.size }, (_, index) => ({
      index,
      state: 'stopped',
      process: null,
      task: null,
      restarts: 0,
      failures: 0,
      timer: null,
      stopTimer: null,
    }))
    this.#watch = setInterval(() => this.#checkHeartbeats(), watchIntervalMs).unref()
  }

  listen(listener: TrainerPoolListener) {
    this.#listener = listener
  }

  /** There is work: starts what is not running. */
  start() {
    this.#wanted = true
    for (const slot of this.#slots) {
      if (slot.state === 'idle' && slot.timer) clearTimer(slot)
      if (slot.state === 'stopped' && !slot.timer) this.#start(slot)
    }
  }

  /** There is no work: idle trainers are kept warm for a while. */
  rest() {
    this.#wanted = false
    for (const slot of this.#slots) {
      if (slot.state === 'stopped') {
        clearTimer(slot)
        slot.failures = 0
      }
      if (slot.state === 'idle' && !slot.timer) {
        slot.timer = setTimeout(() => this.#dismiss(slot), this.#options.idleTrainerMs).unref()
      }
    }
  }

  idleSlots(): number[] {
    return this.#slots.filter(({ state, task }) => state === 'idle' && !task).map(({ index }) => index)
  }

  /** Gives a task to an idle trainer. Answers false where that has just died. */
  assign(index: number, task: Task): boolean {
    const slot = this.#slots[index]!
    if (slot.state !== 'idle' || !slot.process) return false
    clearTimer(slot)
    slot.task = task
    slot.state = 'busy'
    slot.process.send({ type: 'task', task })
    return true
  }

  taskOf(index: number): Task | null {
    return this.#slots[index]!.task
  }

  pidOf(index: number): number | null {
    return this.#slots[index]!.process?.pid ?? null
  }

  /** The task of the slot is over: done, stopped, failed, or lost with its process. */
  finish(index: number, outcome: 'done' | 'other') {
    const slot = this.#slots[index]!
    slot.task = null
    clearStopTimer(slot)
    if (outcome === 'done') slot.failures = 0
    if (slot.state === 'busy') slot.state = 'idle'
  }

  /** Slots that work for this run; for any, where it is null. */
  busySlots(runId: string | null): number[] {
    return this.#slots.filter(({ task }) => task && (runId === null || task.run_id === runId)).map(({ index }) => index)
  }

  /** Asks the trainers of a run to stop; those that do not answer in time are killed. */
  stop(runId: string | null) {
    for (const index of this.busySlots(runId)) {
      const slot = this.#slots[index]!
      if (slot.stopTimer || !slot.process || !slot.task) continue
      slot.process.send({ type: 'stop', task_id: slot.task.task_id })
      slot.stopTimer = setTimeout(() => slot.process?.kill('it did not stop in time'), this.#options.stopTimeoutMs)
    }
  }

  /** Ends the trainers that are working. */
  kill(reason: string) {
    for (const index of this.busySlots(null)) this.#slots[index]!.process?.kill(reason)
  }

  slots(): TrainerSlot[] {
    return this.#slots.map(({ index, state, process, task, restarts }) => ({
      slot: index,
      state,
      pid: process?.pid ?? null,
      run_id: task?.run_id ?? null,
      activity: task ? activityOf(task) : null,
      restarts,
    }))
  }

  close() {
    this.#closed = true
    clearInterval(this.#watch)
    for (const slot of this.#slots) {
      clearTimer(slot)
      clearStopTimer(slot)
      slot.process?.dismiss()
    }
  }

  #start(slot: Slot) {
    slot.timer = null
    if (this.#closed) return
    slot.state = 'starting'
    let process: TrainerProcess
    try {
      process = new TrainerProcess({
        entry: this.#options.entry,
        env: this.#options.env(slot.index),
        onMessage: (message) => this.#receive(slot, message),
        onExit: (exit) => {
          if (slot.process === process) this.#exited(slot, exit)
        },
      })
    } catch (error) {
      // some refusals, such as one for want of memory, do not wait for the event
      return this.#exited(slot, { reason: `it could not be started: ${(error as Error).message}`, output: '' })
    }
    slot.process = process
    slot.timer = setTimeout(() => process.kill(`it was not ready after ${startTimeoutMs / 1000} s`), startTimeoutMs).unref()
  }

  #receive(slot: Slot, message: TrainerToServer) {
    if (message.type === 'ready') {
      if (slot.state !== 'starting') return
      clearTimer(slot)
      slot.state = 'idle'
      if (!this.#wanted) this.rest()
      this.#listener?.onIdle()
    } else {
      this.#listener?.onMessage(slot.index, message)
    }
  }

  #exited(slot: Slot, exit: TrainerExit) {
    const wasStarting = slot.state === 'starting'
    clearTimer(slot)
    // it was meant for this process, not for the next one
    clearStopTimer(slot)
    slot.process = null
    slot.state = 'stopped'
    if (this.#closed) return
    slot.restarts++
    this.#options.restarts.inc()
    slot.failures++
    this.#options.log.warn({ slot: slot.index, output: exit.output }, `trainer ${slot.index} ended: ${exit.reason}`)
    const canOthersWork = this.#slots.some(
      ({ state, failures }) => state === 'idle' || state === 'busy' || (state === 'starting' && failures === 0),
    )
    if (wasStarting && slot.failures >= maxFailedStarts && !canOthersWork) {
      for (const other of this.#slots) other.failures = 0
      this.#listener?.onCannotStart(exit)
    } else if (this.#wanted) {
      // the first replacement comes at once, the following ones ever later
      const delay = slot.failures === 1 ? 0 : Math.min(longestBackoffMs, firstBackoffMs * 2 ** (slot.failures - 2))
      slot.timer = setTimeout(() => this.#start(slot), delay).unref()
    }
    this.#listener?.onLost(slot.index, exit)
  }

  #dismiss(slot: Slot) {
    slot.timer = null
    slot.state = 'stopped'
    slot.process?.dismiss()
    slot.process = null
  }

  #checkHeartbeats() {
    const now = Date.now()
    const pause = now - this.#watchedAt
    this.#watchedAt = now
    const { heartbeatTimeoutMs } = this.#options
    for (const { state, process } of this.#slots) {
      if (!process || state === 'starting' || state === 'stopped') continue
      // after a pause of this process (a suspended machine) nobody's silence means anything
      if (pause > heartbeatTimeoutMs / 2) process.lastSignAt = now
      else if (now - process.lastSignAt > heartbeatTimeoutMs)
        process.kill(`it was silent for ${Math.round(heartbeatTimeoutMs / 100) / 10} s`)
    }
  }
}

function clearTimer(slot: Slot) {
  if (slot.timer) clearTimeout(slot.timer)
  slot.timer = null
}

function clearStopTimer(slot: Slot) {
  if (slot.stopTimer) clearTimeout(slot.stopTimer)
  slot.stopTimer = null
}

function activityOf(task: Task): string {
  if (task.kind === 'train') return `${task.block === 0 ? 'head' : `block ${task.block}`}, epoch ${task.epoch}`
  if (task.kind === 'evaluate') return `evaluating epoch ${task.epoch} on the ${task.split} split`
  return 'preparing the data'
}
