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

/** A difference below this is not worth a sentence, however many images there are. */
const worthSaying = 0.002
/** Of the way from chance to the final accuracy: what has gone less than this is called hardly better than guessing. */
const hardlyBegun = 0.2

/**
 * What an evaluation of the noise-free chain says of the work of its steps: whether the last one alone does everything (its blocks
 * then are one ordinary classifier behind dead ones), whether the later ones add nothing or lose accuracy, or whether nothing is
 * learned at all. Differences count from two standard errors of two independent samples on: careful, as both are of the same images.
 */
export function chainFindings(evaluation: Facts, config: Pick<RunConfig, 'method' | 'embedding'>): ChainFinding[] {
  const { chain_steps: steps, examples } = evaluation
  const accuracies = evaluation.noise_free.after_step
  const last = accuracies.at(-1)
  if (last === undefined || accuracies.length !== steps.length) return []
  const chance = chanceOf(evaluation)
  const error = (p: number) => Math.sqrt((p * (1 - p)) / examples)
  const margin = (p: number, q: number) => Math.max(worthSaying, 2 * Math.hypot(error(p), error(q)))
  const say = (step: number) => stepLabel(config.method, step)
  const { chainOf } = methods[config.method]
  const endToEnd = config.method === 'backprop' || config.method === 'adjoint'

  if (last <= chance + margin(chance, chance)) {
    return [
      {
        kind: 'at-chance',
        tone: 'warn',
        title: 'No better than guessing',
        text: `After the last ${chainOf} the class is right for ${formatPercent(last)} of ${formatInteger(examples)} images; the most frequent class alone would give ${formatPercent(chance)}.`,
      },
    ]
  }
  if (accuracies.length < 2) return []

  const begun = chance + Math.max(margin(chance, chance), hardlyBegun * (last - chance))
  const start = accuracies.findIndex((accuracy) => accuracy > begun)
  if (start > 0) {
    const alone = start === accuracies.length - 1
    const before = accuracies[start - 1]!
    const numbers = `After ${say(steps[start - 1]!)} the estimate is right for ${formatPercent(before)} of the images, hardly better than guessing (${formatPercent(chance)}); after ${say(steps[start]!)} for ${formatPercent(accuracies[start]!)}.`
    return [
      {
        kind: alone ? 'last-step-alone' : 'late-start',
        tone: endToEnd ? 'info' : 'warn',
        title: alone
          ? chainOf === 'block'
            ? 'The last block seems to do all the work'
            : 'Only the last of the reported steps decides'
          : `The chain begins to decide after ${say(steps[start]!)} only`,
        text: `${numbers} ${endToEnd ? 'It is trained to be right at the end of its chain; nothing asks its earlier estimates to be.' : meaningOfLateStart(config, alone)}`,
      },
    ]
  }

  const best = accuracies.indexOf(Math.max(...accuracies))
  const highest = accuracies[best]!
  if (highest - last > margin(highest, last)) {
    return [
      {
        kind: 'steps-lose',
        tone: 'warn',
        title: 'Later steps lose accuracy',
        text: `The estimate is best after ${say(steps[best]!)}, right for ${formatPercent(highest)} of the images; after the last ${chainOf} it is right for ${formatPercent(last)}.`,
      },
    ]
  }
  const first = accuracies[0]!
  if (last - first <= margin(first, last)) {
    return [
      {
        kind: 'steps-add-nothing',
        tone: 'info',
        title: 'Later steps add next to nothing',
        text: `After ${say(steps[0]!)} the estimate is right for ${formatPercent(first)} of the images, after the last ${chainOf} for ${formatPercent(last)}: less of a difference than ${formatInteger(examples)} images could show for certain. ${meaningOfEarlyEnd(config)}`,
      },
    ]
  }
  return []
}

function meaningOfLateStart({ method }: Pick<RunConfig, 'method'>, alone: boolean): string {
  if (method === 'noprop-ct')
    return 'Eq. 9 gives early times little weight, so they learn late. If this stays so in later epochs, the early steps do nothing for the result.'
  if (methods[method].chainOf === 'step') return 'If this stays so in later epochs, the early steps do nothing for the result.'
  return alone && method === 'noprop-dt'
    ? 'If this stays so in later epochs, that block reads the image like one ordinary classifier, and the blocks before it do nothing for the result.'
    : 'If this stays so in later epochs, the blocks before it do nothing for the result.'
}

function meaningOfEarlyEnd({ method, embedding }: Pick<RunConfig, 'method' | 'embedding'>): string {
  if (embedding === 'prototype' && method !== 'backprop' && method !== 'forward-forward')
    return 'With embeddings as long as an image this is to be expected: after one step the latent already tells the label.'
  return methods[method].chainOf === 'block'
    ? 'The first block does the work, and the others say much the same.'
    : 'The decision falls in the first steps, and the others hold on to it.'
}

/** Accuracy of always naming the most frequent class. */
function chanceOf({ confusion_matrix: matrix, examples }: Facts): number {
  const counts = matrix.map((row) => row.reduce((sum, count) => sum + count, 0))
  return Math.max(0, ...counts) / examples
}
