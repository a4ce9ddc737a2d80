import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planSteps } from './step-plan.ts'

describe('the plan of a chain of many steps', () => {
  const anyPlan = fc
    .tuple(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 100 }))
    .map(([steps, mostSteps]) => ({ mostSteps, ...planSteps(steps, mostSteps) }))

  it('reports at most 20 times, in equal distances, and at the end', () => {
    fc.assert(
      fc.property(anyPlan, ({ steps, reported }) => {
        expect(reported.length).toBeLessThanOrEqual(20)
        expect(reported.at(-1)).toBe(steps)
        reported.forEach((step, i) => expect(step).toBe(reported[0]! * (i + 1)))
      }),
    )
  })

  it('has runs that end wherever it reports, none longer than allowed', () => {
    fc.assert(
      fc.property(anyPlan, ({ steps, mostSteps, stepsPerChunk, chunks, chunksPerReport, reported }) => {
        expect(stepsPerChunk * chunks).toBe(steps)
        expect(stepsPerChunk).toBeLessThanOrEqual(mostSteps)
        expect(stepsPerChunk * chunksPerReport).toBe(reported[0])
      }),
    )
  })

  it.each([
    [1000, 50, 50, 20, 50],
    [1000, 5, 5, 200, 50],
    [100, 50, 5, 20, 5],
    [10, 50, 1, 10, 1],
    [1, 50, 1, 1, 1],
    [5000, 50, 50, 100, 250],
    // a prime
    [997, 50, 1, 997, 997],
  ])('cuts %i steps, of which a run may have %i, into runs of %i', (steps, mostSteps, stepsPerChunk, chunks, first) => {
    const plan = planSteps(steps, mostSteps)
    expect([plan.stepsPerChunk, plan.chunks, plan.reported[0]]).toEqual([stepsPerChunk, chunks, first])
  })
})
