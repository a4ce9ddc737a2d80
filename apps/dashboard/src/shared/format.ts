/** Numbers, times and sizes in words. Every function is pure and takes SI base units. */

const integer = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

export function formatInteger(value: number): string {
  return integer.format(value)
}

/** 0.98741 → `98.74 %`; the digits after the point are kept so that columns line up. */
export function formatPercent(fraction: number, digits = 2): string {
  return `${(fraction * 100).toFixed(digits)} %`
}

/** 0.9825 → `98.25 %`, 0.98 → `98 %`: for axes and read-outs, where the digits that say nothing would only be in the way. */
export function formatPercentShort(fraction: number): string {
  return `${Number((fraction * 100).toFixed(2))} %`
}

/** Short for axes and read-outs: four significant digits, powers of ten beyond 10⁻³…10⁶. */
export function formatNumber(value: number): string {
  if (value === 0) return '0'
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  if (size < 1e-3 || size >= 1e6)
    return value
      .toExponential(2)
      .replace(/\.?0+e/, 'e')
      .replace('e+', 'e')
      .replaceAll('-', '−')
  return String(Number(value.toPrecision(4))).replace('-', '−')
}

/** 0.0042 → `4.2 ms`, 75 → `1 min 15 s`, 7260 → `2 h 1 min`. */
export function formatDuration(seconds: number): string {
  if (seconds === 0) return '0 s'
  if (seconds < 0.9995e-3) return `${Math.round(seconds * 1e6)} µs`
  if (seconds < 0.9995) return `${Number((seconds * 1e3).toPrecision(3))} ms`
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return joinUnits(Math.floor(whole / 60), 'min', whole % 60, 's')
  const minutes = Math.round(seconds / 60)
  if (minutes < 1440) return joinUnits(Math.floor(minutes / 60), 'h', minutes % 60, 'min')
  const hours = Math.round(seconds / 3600)
  return joinUnits(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

function joinUnits(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`
}

/** `just now`, `5 min ago`, `3 h ago`, then the date. */
export function formatAgo(time: string, now: number): string {
  const seconds = (now - Date.parse(time)) / 1000
  if (seconds < 45) return 'just now'
  if (seconds < 3570) return `${Math.round(seconds / 60)} min ago`
  if (seconds < 86_000) return `${Math.round(seconds / 3600)} h ago`
  return formatDate(time)
}

export function formatDate(time: string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
}

export function formatClock(time: string): string {
  return new Date(time).toLocaleTimeString(undefined, { hour12: false })
}

/** Seconds from one instant to another; to `now` while the end is unknown. */
export function secondsBetween(start: string, end: string | null, now: number): number {
  return Math.max(0, ((end === null ? now : Date.parse(end)) - Date.parse(start)) / 1000)
}

/** The last six characters tell runs apart; the whole id is in the title attribute. */
export function shortId(id: string): string {
  return id.slice(-6)
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatInteger(count)} ${count === 1 ? one : many}`
}
