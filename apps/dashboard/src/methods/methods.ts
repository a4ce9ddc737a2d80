import type { EmbeddingKind, Method, Run, RunConfig } from '@noprop/contract'

/** What the pages say of the methods: names, what is trained on its own, and how. Nothing here decides how anything is computed. */

interface MethodFacts {
  /** as in a table */
  name: string
  /** in full */
  title: string
  /** trained otherwise than by NoProp, to compare with */
  baseline: boolean
  /** what the chain of the method goes through */
  chainOf: 'block' | 'step'
  /** one network is trained as a whole; false: each block is trained on its own */
  oneNetwork: boolean
}

/** In the order in which they are offered. */
export const methods: Readonly<Record<Method, MethodFacts>> = {
  'noprop-dt': { name: 'NoProp-DT', title: 'NoProp in discrete time', baseline: false, chainOf: 'block', oneNetwork: false },
  'noprop-ct': { name: 'NoProp-CT', title: 'NoProp in continuous time', baseline: false, chainOf: 'step', oneNetwork: true },
  'noprop-fm': { name: 'NoProp-FM', title: 'NoProp by flow matching', baseline: false, chainOf: 'step', oneNetwork: true },
  backprop: { name: 'Backprop', title: 'Back-propagation', baseline: true, chainOf: 'block', oneNetwork: true },
  adjoint: { name: 'Adjoint', title: 'Neural ODE, adjoint sensitivity', baseline: true, chainOf: 'step', oneNetwork: true },
  'forward-forward': { name: 'Forward-Forward', title: 'Forward-Forward', baseline: true, chainOf: 'block', oneNetwork: true },
}

export const methodOrder = Object.keys(methods) as Method[]

const embeddingNames: Readonly<Record<EmbeddingKind, string>> = { 'one-hot': 'one-hot', learned: 'learned', prototype: 'prototype' }

/** The embedding of a run, with its dimension where that was chosen: `learned, dim=20`. */
export function embeddingLabel({ embedding, embedding_dim }: Pick<RunConfig, 'embedding' | 'embedding_dim'>): string {
  return embedding === 'learned' ? `${embeddingNames.learned}, dim=${embedding_dim}` : embeddingNames[embedding]
}

type Kind = Pick<RunConfig, 'method' | 'embedding'>

/** How the parts of the network learn, in a sentence or two. */
export function howItLearns({ method, embedding }: Kind): string {
  switch (method) {
    case 'noprop-dt':
      return embedding === 'one-hot'
        ? 'Blocks learn alone, at the same time: gradients stay inside a block. Only the small classifier head is shared.'
        : 'Blocks take turns, because they share the trained label embedding and the classifier head. Gradients of a block reach what is shared, and no other block.'
    case 'noprop-ct':
      return 'One network over time, no independent blocks. Gradients pass through the whole network, but never from one step of the chain to another. It learns its noise schedule, too.'
    case 'noprop-fm':
      return 'One network over time, no independent blocks. It learns the velocity from noise to label; gradients pass through the whole network, but never from one step of the chain to another.'
    case 'backprop':
      return 'Baseline: gradients pass through all blocks, from the last to the first.'
    case 'adjoint':
      return 'Baseline: one network over time, no independent blocks. A neural ODE, with gradients of the whole path by the adjoint method.'
    case 'forward-forward':
      return 'Baseline: every block learns, by a gradient of its own, to tell an image with its label from the same image with a wrong one. It reads what the block before it makes of them, so the blocks are trained together.'
  }
}

/** Whether the blocks share weights and so train one after the other. */
export function takesTurns({ method, embedding }: Kind): boolean {
  return method === 'noprop-dt' && embedding !== 'one-hot'
}

/** Numbers of what is trained on its own: the blocks, then 0 for the classifier head where it learns alone; 1 for one network. */
export function unitsOf({ config, blocks }: Pick<Run, 'config' | 'blocks'>): number[] {
  const count = methods[config.method].oneNetwork ? 1 : config.blocks
  const expected = Array.from({ length: count }, (_, index) => index + 1)
  if (config.method === 'noprop-dt' && config.embedding === 'one-hot') expected.push(0)
  const further = blocks.map(({ block }) => block).filter((block) => !expected.includes(block))
  return [...expected, ...further].sort((a, b) => (a || Infinity) - (b || Infinity))
}

/** What learns besides the blocks or the network itself. */
export function sharedParts({ method, embedding }: Kind): string {
  // all of its blocks but the first read the block before them, which is wider than a label
  if (method === 'forward-forward') return 'wider inputs of later blocks'
  const further: Partial<Record<Method, string>> = { 'noprop-ct': 'noise schedule', backprop: 'mixing weights' }
  const parts = [embedding === 'one-hot' ? undefined : 'embedding', 'head', further[method]].filter((part) => part !== undefined)
  return parts.join(', ').replace(/, ([^,]*)$/, ' and $1')
}

export function unitLabel(method: Method, block: number): string {
  if (block === 0) return 'Head'
  return methods[method].oneNetwork ? 'Network' : `Block ${block}`
}

/** A step of the chain: `block 3`, or `step 500` of a chain of many small ones. */
export function stepLabel(method: Method, step: number): string {
  return `${methods[method].chainOf} ${step}`
}

/** The paper's own way to read the class from the last latent. */
export function decodingLabel(method: Method): string {
  if (method === 'forward-forward') return 'Goodness of all blocks'
  return method === 'noprop-fm' ? 'Nearest embedding to z_T' : 'Head on z_T'
}

/** Whether the chain of a method has chance in it at all. */
export function isRandom(method: Method): boolean {
  return method !== 'forward-forward'
}

/** Where the chain of a method has chance in it. */
export function noiseLabel({ method, sampler }: Pick<RunConfig, 'method' | 'sampler'>): string {
  if (!isRandom(method)) return 'noise, of which this method has none'
  return method === 'noprop-dt' || (method === 'noprop-ct' && sampler === 'eq3') ? 'noise of Eq. 3' : 'noise in z_0'
}
