/**
 * Colours for lines with an order: block 1 is dark and cold, the last block light and warm (reversed light in the dark theme).
 * Lightness rises along the ramp, so the order survives every kind of colour blindness; every second line of a long list is
 * dashed, so that neighbours differ without colour. All stops have a contrast of 3 : 1 or more on the surface of their theme.
 */

type Rgb = readonly [number, number, number]

const lightRamp: readonly Rgb[] = [
  [59, 15, 112],
  [45, 72, 160],
  [12, 112, 140],
  [40, 135, 80],
  [120, 135, 20],
  [194, 112, 0],
]
const darkRamp: readonly Rgb[] = [
  [160, 120, 235],
  [105, 145, 245],
  [75, 180, 205],
  [100, 205, 140],
  [185, 215, 90],
  [255, 215, 110],
]

/** One colour for each of `count` lines, as `rgb(…)`. */
export function rampColors(count: number, dark: boolean): string[] {
  const ramp = dark ? darkRamp : lightRamp
  return Array.from({ length: count }, (_, i) => {
    const [r, g, b] = interpolate(ramp, count === 1 ? 0.2 : i / (count - 1))
    return `rgb(${r} ${g} ${b})`
  })
}

/** Dash pattern in pixels, or nothing for a solid line. */
export function rampDash(index: number, count: number): number[] | undefined {
  return count > 6 && index % 2 === 1 ? [6, 3] : undefined
}

function interpolate(ramp: readonly Rgb[], position: number): Rgb {
  const scaled = position * (ramp.length - 1)
  const index = Math.min(Math.floor(scaled), ramp.length - 2)
  const from = ramp[index]!
  const to = ramp[index + 1]!
  const mix = (channel: 0 | 1 | 2) => Math.round(from[channel] + (to[channel] - from[channel]) * (scaled - index))
  return [mix(0), mix(1), mix(2)]
}

/** For lines without an order, such as runs in a comparison. Okabe and Ito's hues, darkened or lightened for each theme. */
export function categoryColors(count: number, dark: boolean): string[] {
  const colors = dark
    ? ['#6db6f2', '#f0a13c', '#4fcba0', '#e79ac6', '#e8dc5a', '#f0805a', '#a9b4ff', '#c3c9d2']
    : ['#0868ac', '#b35c00', '#00795a', '#a8417d', '#7a6a00', '#b83a06', '#4b4fc4', '#4d5562']
  return Array.from({ length: count }, (_, i) => colors[i % colors.length]!)
}
