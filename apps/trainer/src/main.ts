import { Worker } from 'node:worker_threads'
import { ServerToTrainer, type TrainerToServer } from '@noprop/contract'
import Value from 'typebox/value'
import type { ToWorker } from './task-worker.ts'

/**
 * The trainer process. This thread only talks: it passes messages between the server and the worker thread that computes,
 * and sends a heartbeat every second, however long a training step takes.
 */

const heartbeatIntervalMs = 1000

if (!process.send) {
  console.error('The trainer is started by the server; it has nothing to do on its own. Run `npm start` instead.')
  process.exit(64)
}

const stopRequested = new Int32Array(new SharedArrayBuffer(4))
const worker = new Worker(new URL('./task-worker.js', import.meta.url), { workerData: { stopRequested } })

function sendToServer(message: TrainerToServer) {
  if (process.connected) process.send?.(message)
}

worker.on('message', sendToServer)
worker.on('error', (error) => {
  console.error(error)
  process.exit(1)
})
worker.on('exit', () => process.exit(1))

process.on('message', (message: unknown) => {
  if (!Value.Check(ServerToTrainer, message)) {
    console.error('ignored a message that is not of the contract')
    return
  }
  if (message.type === 'stop') Atomics.store(stopRequested, 0, 1)
  else {
    Atomics.store(stopRequested, 0, 0)
    worker.postMessage(message.task satisfies ToWorker)
  }
})

// Nobody records what a trainer without a server does: its task is repeated, with the same bits, from the last recorded checkpoint.
process.on('disconnect', () => process.exit(0))
// it may have gone while this process was still loading
if (!process.connected) process.exit(0)
// Ctrl+C in a terminal reaches the whole process group; the server decides when its trainers end.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})

setInterval(() => sendToServer({ type: 'heartbeat' }), heartbeatIntervalMs)
sendToServer({ type: 'ready', pid: process.pid })
