import { type ChildProcess, fork } from 'node:child_process'
import { setPriority } from 'node:os'
import { type ServerToTrainer, TrainerToServer } from '@noprop/contract'
import { Compile } from 'typebox/compile'

export interface TrainerProcessOptions {
  readonly entry: string
  readonly env: NodeJS.ProcessEnv
  onMessage(message: TrainerToServer): void
  /** It has ended; called once, after its last message. */
  onExit(exit: TrainerExit): void
}

export interface TrainerExit {
  /** in words */
  readonly reason: string
  /** the end of what it printed */
  readonly output: string
}

const validator = Compile(TrainerToServer)
const outputTailLength = 2000
/** So that the server answers quickly on a machine whose cores are all training. */
const niceness = 5
/** After its exit, how long the pipes of a process may take to end. */
const drainMs = 100
/** How long a process may live on after its channel was closed. */
const disconnectedMs = 2000

/** One trainer: a process that is started, spoken to and watched. */
export class TrainerProcess {
  readonly #child: ChildProcess
  readonly #options: TrainerProcessOptions
  #output = ''
  #killReason: string | null = null
  #ended = false
  /** time of its last sign of life */
  lastSignAt = Date.now()

  constructor(options: TrainerProcessOptions) {
    this.#options = options
    this.#child = fork(options.entry, [], {
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // an inspector port cannot be shared
      execArgv: process.execArgv.filter((argument) => !argument.startsWith('--inspect')),
    })
    lowerPriority(this.#child.pid)
    for (const pipe of [this.#child.stdout, this.#child.stderr]) {
      pipe?.setEncoding('utf8').on('data', (text: string) => (this.#output = (this.#output + text).slice(-outputTailLength)))
    }
    this.#child.on('message', (message) => this.#receive(message))
    this.#child.on('error', (error) => this.#end(`it could not be started: ${error.message}`))
    // one that ends closes its channel first; one that cannot be spoken to any more has no use
    this.#child.on('disconnect', () => setTimeout(() => this.#child.kill('SIGKILL'), disconnectedMs).unref())
    this.#child.on('exit', (code, signal) => {
      const reason = this.#killReason ?? (signal ? `it was ended by ${signal}` : `it ended with code ${code}`)
      const timer = setTimeout(() => this.#end(reason), drainMs)
      this.#child.once('close', () => {
        clearTimeout(timer)
        this.#end(reason)
      })
    })
  }

  get pid(): number | null {
    return this.#child.pid ?? null
  }

  /** A message to a process that is ending is lost; its exit is reported all the same. */
  send(message: ServerToTrainer) {
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  /** Ends it at once; `reason` is what its exit will say. */
  kill(reason: string) {
    this.#killReason ??= reason
    this.#child.kill('SIGKILL')
  }

  /** Asks it to end: a trainer without a server does. */
  dismiss() {
    this.#killReason ??= 'it was not needed any more'
    if (this.#child.connected) this.#child.disconnect()
  }

  #receive(message: unknown) {
    if (this.#ended) return
    this.lastSignAt = Date.now()
    if (validator.Check(message)) this.#options.onMessage(message)
    else this.kill('it sent a message that is not of the contract')
  }

  #end(reason: string) {
    if (this.#ended) return
    this.#ended = true
    this.#options.onExit({ reason, output: this.#output.trim() })
  }
}

function lowerPriority(pid: number | undefined) {
  try {
    if (pid !== undefined) setPriority(pid, niceness)
  } catch {
    // it is gone already, or the system forbids it: the priority is a courtesy
  }
}
