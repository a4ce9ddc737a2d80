import { describe, expect, test } from 'vitest'
import { chainFindings } from './chain-findings.ts'

const discrete = { method: 'noprop-dt', embedding: 'one-hot' } as const
const flow = { method: 'noprop-fm', embedding: 'learned' } as const

/** An evaluation on images of ten equally frequent classes. */
function evaluation(afterStep: number[], { examples = 10_000, steps = afterStep.map((_, index) => index + 1) } = {}) {
  const row = (actual: number) => Array.from({ length: 10 }, (_, predicted) => (actual === predicted ? examples / 10 : 0))
  return {
    chain_steps: steps,
    noise_free: { after_step: afterStep, head: 0 },
    examples,
    confusion_matrix: Array.from({ length: 10 }, (_, actual) => row(actual)),
  }
}
const kindsOf = (...args: Parameters<typeof chainFindings>) => chainFindings(...args).map(({ kind }) => kind)

test('a chain whose every step helps has nothing to tell', () => {
  expect(chainFindings(evaluation([0.975, 0.982, 0.988, 0.991]), discrete)).toEqual([])
})

test('a network that has learned nothing is said to guess, and no more is read into its steps', () => {
  expect(kindsOf(evaluation([0.1, 0.098, 0.103]), discrete)).toEqual(['at-chance'])
  expect(kindsOf(evaluation([0.104]), discrete)).toEqual(['at-chance'])
})

test('chance is the share of the most frequent class', () => {
  const skewed = { ...evaluation([0.5, 0.51]), confusion_matrix: [[5100, 0], [4900, 0]] } // prettier-ignore
  expect(kindsOf(skewed, discrete)).toEqual(['at-chance'])
})

describe('a last block that does everything', () => {
  const dead = evaluation([0.1, 0.11, 0.09, 0.984])

  test('is warned of, with both accuracies', () => {
    const [finding] = chainFindings(dead, discrete)
    expect(finding).toMatchObject({ kind: 'last-step-alone', tone: 'warn', title: 'The last block seems to do all the work' })
    expect(finding!.text).toContain('After block 3 the estimate is right for 9.00 %')
    expect(finding!.text).toContain('after block 4 for 98.40 %')
  })

  test('is so of two blocks, too', () => expect(kindsOf(evaluation([0.1, 0.98]), discrete)).toEqual(['last-step-alone']))

  test('is nothing to warn of where blocks are trained end to end', () => {
    expect(chainFindings(dead, { method: 'backprop', embedding: 'one-hot' })[0]).toMatchObject({ kind: 'last-step-alone', tone: 'info' })
  })

  test('is not seen where the block before it is already good', () => {
    expect(kindsOf(evaluation([0.1, 0.11, 0.7, 0.984]), discrete)).toEqual(['late-start'])
  })
})

test('small steps are called by their numbers', () => {
  const [finding] = chainFindings(evaluation([0.1, 0.12, 0.9, 0.97], { steps: [1, 300, 650, 1000] }), flow)
  expect(finding).toMatchObject({ kind: 'late-start', title: 'The chain begins to decide after step 650 only' })
  expect(finding!.text).toContain('After step 300')
})

describe('steps that lose', () => {
  test('are warned of from two standard errors on', () => {
    const [finding] = chainFindings(evaluation([0.95, 0.97, 0.9]), discrete)
    expect(finding).toMatchObject({ kind: 'steps-lose', tone: 'warn' })
    expect(finding!.text).toContain('best after block 2')
    expect(finding!.text).toContain('90.00 %')
  })

  test('are told also where they end in guessing', () => {
    const [finding] = chainFindings(evaluation([0.244, 0.102], { examples: 1000 }), discrete)
    expect(finding).toMatchObject({ kind: 'steps-lose', tone: 'warn' })
    expect(finding!.text).toContain('right for 10.20 %, hardly better than guessing (10.00 %)')
  })

  test('are told of a chain that begins late, too', () => {
    expect(kindsOf(evaluation([0.1, 0.1, 0.9, 0.6]), discrete)).toEqual(['late-start', 'steps-lose'])
  })

  test('are not seen in a difference that 100 images cannot show', () => {
    expect(kindsOf(evaluation([0.9, 0.97, 0.95], { examples: 100 }), discrete)).not.toContain('steps-lose')
  })
})

describe('steps that add nothing', () => {
  test('are told, without alarm', () => {
    const [finding] = chainFindings(evaluation([0.988, 0.989, 0.9885]), discrete)
    expect(finding).toMatchObject({ kind: 'steps-add-nothing', tone: 'info' })
    expect(finding!.text).toContain('The first block does the work')
  })

  test('are what prototypes lead one to expect', () => {
    expect(chainFindings(evaluation([0.988, 0.989]), { ...discrete, embedding: 'prototype' })[0]!.text).toContain('to be expected')
  })

  test('are not told of one step', () => expect(chainFindings(evaluation([0.98]), discrete)).toEqual([]))
})

test('an evaluation whose steps have no numbers says nothing', () => {
  expect(chainFindings(evaluation([0.1, 0.9], { steps: [] }), discrete)).toEqual([])
})
