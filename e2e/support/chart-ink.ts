import type { Locator } from '@playwright/test'

export interface ChartInk {
  /** pixels that are neither transparent nor a shade of grey, of all canvases together */
  coloured: number
  /** clearly different line colours, each with more than a few pixels */
  colours: number
  /** columns of the canvas with a coloured pixel, as a fraction of its width */
  widthFraction: number
  /** rows with a coloured pixel, as a fraction of the height */
  heightFraction: number
}

/**
 * What a chart has drawn, read from the pixels of its canvas. Axes, grid and text are grey; lines are coloured.
 *
 * @param chart an element that holds the canvas
 */
export function readChartInk(chart: Locator): Promise<ChartInk> {
  return chart
    .locator('canvas')
    .first()
    .evaluate((element) => {
      const canvas = element as HTMLCanvasElement
      const { width, height } = canvas
      const pixels = canvas.getContext('2d')!.getImageData(0, 0, width, height).data
      const minimumSaturation = 60
      const minimumPixels = 20
      const degreesPerHueBin = 15
      const hues = new Map<number, number>()
      const columns = new Set<number>()
      const rows = new Set<number>()
      let coloured = 0
      for (let i = 0; i < pixels.length; i += 4) {
        const [r, g, b, alpha] = [pixels[i]!, pixels[i + 1]!, pixels[i + 2]!, pixels[i + 3]!]
        const span = Math.max(r, g, b) - Math.min(r, g, b)
        if (alpha < 128 || span < minimumSaturation) continue
        coloured += 1
        columns.add((i / 4) % width)
        rows.add(Math.floor(i / 4 / width))
        const hue = Math.atan2(Math.sqrt(3) * (g - b), 2 * r - g - b) * (180 / Math.PI)
        const bin = Math.round((hue + 360) / degreesPerHueBin) % (360 / degreesPerHueBin)
        hues.set(bin, (hues.get(bin) ?? 0) + 1)
      }
      const colours = [...hues.values()].filter((count) => count >= minimumPixels).length
      return { coloured, colours, widthFraction: columns.size / width, heightFraction: rows.size / height }
    })
}

/**
 * Which of these lines a chart has drawn: how many of the colours stand in the canvas, nearly exact, in more than a few pixels.
 * Where lines cross, their smoothed edges mix to colours of no line, which do not count.
 *
 * @param colours as `rgb(r g b)`
 */
export function countDrawnLines(chart: Locator, colours: readonly string[]): Promise<number> {
  return chart
    .locator('canvas')
    .first()
    .evaluate((element, lines) => {
      const canvas = element as HTMLCanvasElement
      const pixels = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height).data
      const tolerance = 12
      const minimumPixels = 20
      const isDrawn = (line: string) => {
        const wanted = line.match(/\d+/g)!.map(Number)
        let count = 0
        for (let i = 0; i < pixels.length; i += 4) {
          if (pixels[i + 3]! > 200 && wanted.every((value, channel) => Math.abs(pixels[i + channel]! - value) <= tolerance)) count += 1
        }
        return count >= minimumPixels
      }
      return lines.filter(isDrawn).length
    }, colours)
}

/** The colours of the lines that a legend names, in its order. */
export function legendColours(legend: Locator): Promise<string[]> {
  return legend.locator('svg line').evaluateAll((lines) => lines.map((line) => line.getAttribute('stroke')!))
}
