import type { Method, RunEvent } from '@noprop/contract'
import { unitLabel } from '../methods/methods.ts'
import { formatBytes, formatInteger, formatPercent } from '../shared/format.ts'

export interface LogLine {
  level: 'info' | 'warn' | 'error'
  kind: string
  text: string
}

/** An event as a line of the log. Metrics and progress have their own places on the page, and no line. */
export function logLine(event: RunEvent, method: Method): LogLine {
  switch (event.type) {
    case 'status':
      return {
        level: event.failure ? 'error' : 'info',
        kind: 'status',
        text: [event.status, event.reason, event.failure?.message].filter(Boolean).join(': '),
      }
    case 'log':
      return { level: event.level, kind: 'log', text: event.message }
    case 'dataset_progress': {
      const total = event.total_bytes === null ? '' : ` of ${formatBytes(event.total_bytes)}`
      return { level: 'info', kind: 'dataset', text: `${event.file}: ${formatBytes(event.received_bytes)}${total}` }
    }
    case 'block_started':
      return {
        level: 'info',
        kind: 'block',
        text: `${unitLabel(method, event.block)} begins epoch ${event.epoch} at step ${formatInteger(event.step)} on trainer ${event.trainer}, pid ${event.pid}`,
      }
    case 'checkpoint_saved':
      return {
        level: 'info',
        kind: 'checkpoint',
        text: `${unitLabel(method, event.block)}, epoch ${event.epoch}: ${formatBytes(event.size_bytes)}, sha256 ${event.sha256.slice(0, 12)}`,
      }
    case 'evaluation_completed':
      return {
        level: 'info',
        kind: 'evaluation',
        text: `Epoch ${event.epoch}, ${event.split}: accuracy ${formatPercent(event.accuracy)} on ${formatInteger(event.examples)} images`,
      }
    case 'block_metrics':
    case 'progress':
      return { level: 'info', kind: event.type, text: '' }
  }
}
