import { expect, test } from 'vitest'
import { drawStrokes, type Pen } from './drawing.ts'

/** Keeps the calls that move the pen. */
function recordingPen() {
  const calls: [string, ...number[]][] = []
  const record =
    (name: string) =>
    (...args: number[]) =>
      void calls.push([name, ...args])
  const pen = {
    fillRect: record('fillRect'),
    beginPath: record('beginPath'),
    moveTo: record('moveTo'),
    lineTo: record('lineTo'),
    quadraticCurveTo: record('curve'),
    stroke: record('stroke'),
  }
  return { pen: pen as unknown as Pen, calls }
}

test('an empty drawing is a black square', () => {
  const { pen, calls } = recordingPen()
  drawStrokes(pen, [])
  expect(calls).toEqual([['fillRect', 0, 0, 280, 280]])
  expect(pen.fillStyle).toBe('#000')
})

test('a single touch leaves a dot', () => {
  const { pen, calls } = recordingPen()
  drawStrokes(pen, [{ width: 20, points: [5, 6] }])
  expect(calls.slice(2)).toEqual([['moveTo', 5, 6], ['lineTo', 5, 6], ['stroke']])
})

test('a stroke begins and ends where the hand did and bends between', () => {
  const { pen, calls } = recordingPen()
  drawStrokes(pen, [{ width: 20, points: [0, 0, 10, 0, 10, 10, 20, 10] }])
  expect(calls.slice(2)).toEqual([['moveTo', 0, 0], ['curve', 10, 0, 10, 5], ['curve', 10, 10, 15, 10], ['lineTo', 20, 10], ['stroke']])
})
