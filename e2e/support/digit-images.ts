import sharp from 'sharp'

export type Point = readonly [x: number, y: number]

/** Digits as a hand would draw them: strokes of points in the unit square, y downwards. */
export const digitStrokes = {
  '0': [ellipse(0.5, 0.5, 0.2, 0.3)],
  '1': [
    [
      [0.5, 0.18],
      [0.5, 0.82],
    ],
  ],
  '7': [
    [
      [0.28, 0.22],
      [0.7, 0.22],
      [0.44, 0.82],
    ],
  ],
} as const satisfies Record<string, readonly (readonly Point[])[]>

function ellipse(centerX: number, centerY: number, radiusX: number, radiusY: number): readonly Point[] {
  const segments = 24
  return Array.from({ length: segments + 1 }, (_, i) => {
    const angle = (2 * Math.PI * i) / segments
    return [centerX + radiusX * Math.sin(angle), centerY - radiusY * Math.cos(angle)]
  })
}

/** A scan: dark ink on light paper, larger than any network's input, the digit off the middle. */
export function scannedDigit(digit: keyof typeof digitStrokes): Promise<Buffer> {
  const [width, height, size] = [640, 480, 360]
  const lines = digitStrokes[digit].map((stroke) => stroke.map(([x, y]) => `${20 + x * size},${90 + y * size}`).join(' '))
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <rect width="100%" height="100%" fill="#f3efe6"/>
    ${lines.map((points) => `<polyline points="${points}" fill="none" stroke="#1c2a4a" stroke-width="30" stroke-linecap="round" stroke-linejoin="round"/>`).join('')}
  </svg>`
  return sharp(Buffer.from(svg)).png().toBuffer()
}
