import type { Evaluation, RunConfig } from '@noprop/contract'
import { methods, stepLabel } from '../methods/methods.ts'
import { formatInteger, formatPercent } from '../shared/format.ts'

/** Something in the accuracies after each step that a look at the final accuracy alone would miss. */
export interface ChainFinding {
  kind: 'at-chance' | 'last-step-alone' | 'late-start' | 'steps-lose' | 'steps-add-nothing'
  /** warn: often a fault; info: worth knowing, and often as it should be */
  tone: 'warn' | 'info'
  title: string
  text: string
}

type Facts = Pick<Evaluation, 'chain_steps' | 'noise_free' | 'examples' | 'confusion_matrix'>
type Kind = Pick<RunConfig, 'method' | 'embedding'>

/** A difference below this is not worth a sentence, however many images there are. */
const worthSaying = 0.002
/** Of the way from chance to the highest accuracy: what has gone less than this is called hardly better than guessing. */
const hardlyBegun = 0.2

/**
 * What an evaluation of the noise-free chain says of the work of its steps: whether the last one alone does everything (its block is
 * then one ordinary classifier behind dead ones), whether the later ones add nothing or lose accuracy, or whether nothing is learned
 * at all. Differences count from two standard errors of two independent samples on: careful, as both are of the same images.
 */
export function chainFindings(evaluation: Facts, config: Kind): ChainFinding[] {
  if (evaluation.chain_steps.length === 0 || evaluation.noise_free.after_step.length !== evaluation.chain_steps.length) return []
  const chain = readChain(evaluation, config)
  const guess = guessing(chain)
  if (guess) return [guess]
  const findings = [lateStart(chain), losingSteps(chain) ?? idleSteps(chain)]
  return findings.filter((finding) => finding !== undefined)
}

interface Step {
  /** `block 3` */
  name: string
  accuracy: number
}

interface Chain {
  config: Kind
  chainOf: 'block' | 'step'
  steps: readonly Step[]
  first: Step
  best: Step
  last: Step
  examples: number
  /** accuracy of always naming the most frequent class */
  chance: number
  /** How far apart two accuracies must be to count as different. */
  margin: (p: number, q: number) => number
}

function readChain({ chain_steps, noise_free, examples, confusion_matrix }: Facts, config: Kind): Chain {
  const steps = chain_steps.map((step, index) => ({ name: stepLabel(config.method, step), accuracy: noise_free.after_step[index]! }))
  const classCounts = confusion_matrix.map((row) => row.reduce((sum, count) => sum + count, 0))
  const error = (p: number) => Math.sqrt((p * (1 - p)) / examples)
  return {
    config,
    chainOf: methods[config.method].chainOf,
    steps,
    first: steps[0]!,
    best: steps.reduce((best, step) => (step.accuracy > best.accuracy ? step : best)),
    last: steps.at(-1)!,
    examples,
    chance: Math.max(0, ...classCounts) / examples,
    margin: (p, q) => Math.max(worthSaying, 2 * Math.hypot(error(p), error(q))),
  }
}

function guessing({ chainOf, best, last, examples, chance, margin }: Chain): ChainFinding | undefined {
  if (best.accuracy > chance + margin(chance, chance)) return undefined
  return {
    kind: 'at-chance',
    tone: 'warn',
    title: 'Hardly better than guessing',
    text: `After the last ${chainOf} the class is right for ${formatPercent(last.accuracy)} of ${formatInteger(examples)} images; the most frequent class alone would give ${formatPercent(chance)}.`,
  }
}

function lateStart({ config, chainOf, steps, best, last, chance, margin }: Chain): ChainFinding | undefined {
  const begun = chance + Math.max(margin(chance, chance), hardlyBegun * (best.accuracy - chance))
  const index = steps.findIndex(({ accuracy }) => accuracy > begun)
  if (index <= 0) return undefined
  const [before, start] = [steps[index - 1]!, steps[index]!]
  const alone = start === last
  const endToEnd = config.method === 'backprop' || config.method === 'adjoint'
  const numbers = `After ${before.name} the estimate is right for ${formatPercent(before.accuracy)} of the images, hardly better than guessing (${formatPercent(chance)}); after ${start.name} for ${formatPercent(start.accuracy)}.`
  const aloneTitle = chainOf === 'block' ? 'The last block seems to do all the work' : 'Only the last of the reported steps decides'
  return {
    kind: alone ? 'last-step-alone' : 'late-start',
    tone: endToEnd ? 'info' : 'warn',
    title: alone ? aloneTitle : `The chain begins to decide after ${start.name} only`,
    text: `${numbers} ${meaningOfLateStart(config, { alone, endToEnd })}`,
  }
}

function meaningOfLateStart({ method }: Kind, { alone, endToEnd }: { alone: boolean; endToEnd: boolean }): string {
  if (endToEnd) return 'It is trained to be right at the end of its chain; nothing asks its earlier estimates to be.'
  if (method === 'noprop-ct')
    return 'Eq. 9 gives early times little weight, so they learn late. If this stays so in later epochs, the early steps do nothing for the result.'
  if (methods[method].chainOf === 'step') return 'If this stays so in later epochs, the early steps do nothing for the result.'
  return alone && method === 'noprop-dt'
    ? 'If this stays so in later epochs, that block reads the image like one ordinary classifier, and the blocks before it do nothing for the result.'
    : 'If this stays so in later epochs, the blocks before it do nothing for the result.'
}

function losingSteps({ chainOf, best, last, chance, margin }: Chain): ChainFinding | undefined {
  if (best.accuracy - last.accuracy <= margin(best.accuracy, last.accuracy)) return undefined
  const end = last.accuracy <= chance + margin(chance, chance) ? `, hardly better than guessing (${formatPercent(chance)})` : ''
  return {
    kind: 'steps-lose',
    tone: 'warn',
    title: 'Later steps lose accuracy',
    text: `The estimate is best after ${best.name}, right for ${formatPercent(best.accuracy)} of the images; after the last ${chainOf} it is right for ${formatPercent(last.accuracy)}${end}.`,
  }
}

function idleSteps({ config, chainOf, first, last, examples, margin }: Chain): ChainFinding | undefined {
  if (first === last || last.accuracy - first.accuracy > margin(first.accuracy, last.accuracy)) return undefined
  return {
    kind: 'steps-add-nothing',
    tone: 'info',
    title: 'Later steps add next to nothing',
    text: `After ${first.name} the estimate is right for ${formatPercent(first.accuracy)} of the images, after the last ${chainOf} for ${formatPercent(last.accuracy)}: less of a difference than ${formatInteger(examples)} images could show for certain. ${meaningOfIdleSteps(config)}`,
  }
}

function meaningOfIdleSteps({ method, embedding }: Kind): string {
  if (embedding === 'prototype' && !methods[method].baseline)
    return 'With embeddings as long as an image this is to be expected: after one step the latent already tells the label.'
  return methods[method].chainOf === 'block'
    ? 'The first block does the work, and the others say much the same.'
    : 'The decision falls in the first steps, and the others hold on to it.'
}
