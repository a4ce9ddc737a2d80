/** A drawing in strokes, in units of a square of `drawingSize` × `drawingSize`. */
export const drawingSize = 280

export interface Stroke {
  /** width of the brush */
  readonly width: number
  /** x, y, x, y, … */
  readonly points: readonly number[]
}

/** What of a canvas context the drawing needs. */
export type Pen = Pick<
  CanvasRenderingContext2D,
  | 'fillStyle'
  | 'strokeStyle'
  | 'lineWidth'
  | 'lineCap'
  | 'lineJoin'
  | 'fillRect'
  | 'beginPath'
  | 'moveTo'
  | 'lineTo'
  | 'quadraticCurveTo'
  | 'stroke'
>

/** White on black, as the digits of MNIST are. */
export function drawStrokes(pen: Pen, strokes: readonly Stroke[]): void {
  pen.fillStyle = '#000'
  pen.fillRect(0, 0, drawingSize, drawingSize)
  pen.strokeStyle = '#fff'
  pen.lineCap = 'round'
  pen.lineJoin = 'round'
  for (const stroke of strokes) drawStroke(pen, stroke)
}

/** A curve through the middles of its pieces: hand movements come in few points, straight lines between them would look broken. */
function drawStroke(pen: Pen, { width, points }: Stroke): void {
  if (points.length < 2) return
  pen.lineWidth = width
  pen.beginPath()
  pen.moveTo(points[0]!, points[1]!)
  for (let i = 2; i + 3 < points.length; i += 2) {
    const [x, y, nextX, nextY] = points.slice(i, i + 4) as [number, number, number, number]
    pen.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2)
  }
  pen.lineTo(points.at(-2)!, points.at(-1)!)
  pen.stroke()
}
