/**
 * How a pen draws each digit: a few handwriting variants of each, as SVG-like path data (M, L, Q, C with absolute coordinates) in a box about 70 wide
 * and 100 high, y downwards. `M` lifts the pen.
 */
const paths: readonly (readonly string[])[] = [
  [
    'M35 0 C10 0 0 25 0 50 C0 80 12 100 35 100 C58 100 70 75 70 50 C70 20 58 0 35 0',
    'M50 6 C26 -6 2 20 2 56 C2 86 15 100 32 100 C55 100 66 70 64 42 C62 15 46 0 30 6',
    'M40 2 C12 4 4 35 6 62 C8 90 22 99 36 98 C58 95 66 66 62 40 C59 18 46 6 26 8',
  ],
  ['M10 0 L10 100', 'M32 0 L4 100', 'M0 22 L25 0 L25 100', 'M2 22 Q15 15 22 0 L22 100 M0 100 L46 100'],
  [
    'M4 24 C6 5 22 0 36 0 C56 0 66 14 62 32 C57 55 25 75 2 100 L68 98',
    'M6 22 C14 0 58 -8 60 22 C62 48 36 74 14 94 C2 102 -4 88 10 82 C28 76 46 96 72 92',
    'M2 16 C20 -6 60 -2 58 28 C56 58 30 80 4 100 C24 92 44 98 68 96',
  ],
  [
    'M4 12 C18 -4 58 -4 58 22 C58 42 38 48 22 48 C44 48 66 54 64 76 C62 104 20 104 2 88',
    'M4 2 L58 2 L26 42 C52 40 66 54 64 74 C60 102 18 104 0 90',
    'M6 10 C28 -8 62 4 54 26 C48 42 28 50 20 46 C16 40 32 42 46 50 C70 64 62 92 40 98 C22 102 8 96 2 88',
  ],
  [
    'M10 0 C8 20 4 40 0 56 L66 52 M54 10 L48 100',
    'M50 100 L50 0 L0 66 L70 66',
    'M6 4 C2 26 2 50 16 52 C34 54 50 46 56 36 M60 2 C58 34 52 66 50 100',
  ],
  [
    'M60 0 L14 2 L8 42 C26 34 62 36 62 66 C62 98 24 106 0 90',
    'M12 2 L8 44 C34 32 64 46 60 70 C56 98 20 104 0 92 M12 2 L64 0',
    'M66 4 C46 -2 24 2 18 6 C16 20 14 32 8 44 C30 38 56 48 54 72 C52 96 22 102 2 96',
  ],
  [
    'M52 2 C22 14 2 44 2 70 C2 94 20 100 34 100 C54 100 64 86 62 72 C60 54 42 48 28 54 C14 58 4 70 4 78',
    'M40 0 C14 34 0 56 2 78 C4 98 28 104 44 96 C62 86 60 62 42 58 C24 56 12 68 8 82',
    'M24 0 C8 30 0 60 6 84 C12 104 44 102 54 82 C62 64 46 52 30 58 C18 62 10 72 8 84',
  ],
  ['M0 4 L62 2 C44 34 30 66 24 100', 'M2 4 L62 2 L26 100 M14 52 L58 50', 'M2 20 C2 10 4 4 6 4 C24 8 44 4 60 2 C56 30 30 62 28 100'],
  [
    'M56 12 C44 -4 10 -2 10 22 C10 46 60 50 60 76 C60 106 4 106 4 76 C4 50 58 44 58 20 C58 14 58 12 54 10',
    'M34 46 C10 42 8 2 34 0 C60 2 58 42 34 46 C2 52 -2 98 32 100 C68 98 66 52 34 46',
    'M62 8 C44 -6 14 4 16 24 C18 44 52 52 50 78 C48 104 4 106 2 82 C0 58 52 38 62 8',
  ],
  [
    'M58 28 C58 4 42 0 30 0 C10 0 2 16 2 30 C2 46 14 56 30 54 C46 52 56 40 58 24 L56 100',
    'M60 22 C52 0 8 -4 4 28 C2 54 46 58 58 28 C64 18 62 64 52 80 C44 98 22 104 6 96',
    'M56 10 C38 -6 4 6 4 34 C4 56 38 58 52 34 C56 24 58 14 60 4 C56 40 46 70 40 100',
  ],
]

/** One unbroken line of the pen: x0, y0, x1, y1, …; y downwards, a digit is about 1 high. */
export type Stroke = Float64Array

/** Line segments for one Bézier curve: enough to look round at 28 pixels. */
const segmentsPerCurve = 7

/** The strokes of every variant, [digit][variant]. */
export const digitOutlines: readonly (readonly (readonly Stroke[])[])[] = paths.map((variants) => variants.map(parsePath))

function parsePath(path: string): Stroke[] {
  const strokes: number[][] = []
  for (const [, command, coordinates] of path.matchAll(/([MLQC])([^MLQC]+)/g)) {
    const points = coordinates!
      .trim()
      .split(/\s+/)
      .map((n) => Number(n) / 100)
    if (command === 'M') strokes.push(points)
    else addCurve(strokes.at(-1)!, points)
  }
  return strokes.map((stroke) => Float64Array.from(stroke))
}

/** Appends a Bézier curve of any degree from the end of the stroke, by de Casteljau's construction. Straight lines are cut too, so that they can bend. */
function addCurve(stroke: number[], controls: readonly number[]): void {
  const start = stroke.slice(-2)
  for (let i = 1; i <= segmentsPerCurve; i++) {
    const t = i / segmentsPerCurve
    let points = [...start, ...controls]
    while (points.length > 2) points = points.slice(2).map((value, k) => points[k]! + t * (value - points[k]!))
    stroke.push(...points)
  }
}
