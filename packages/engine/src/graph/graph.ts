import { createHash } from 'node:crypto'
import { elementCount } from '../host-tensors.ts'
import type { Dtype, HostTensor } from '../program.ts'

/** `int64` never leaves the graph: ONNX wants it for shapes, axes and the results of ArgMax. */
export type ValueDtype = Dtype | 'int64'
export type ConstantData = HostTensor | BigInt64Array

/** Something a node reads or makes; created by `Graph` alone, which makes equal values the same object. */
export interface Value {
  readonly id: number
  readonly shape: readonly number[]
  readonly dtype: ValueDtype
  /** The node that makes this value; none for inputs and constants. */
  readonly producer?: GraphNode
  /** Known values. A number stands for a tensor that has it everywhere. */
  readonly constant?: ConstantData | number
}

/** A float attribute; plain numbers are integers in ONNX. */
interface FloatAttribute {
  readonly float: number
}
export type Attribute = number | readonly number[] | string | FloatAttribute
export type Attributes = Readonly<Record<string, Attribute>>

export interface GraphNode {
  readonly op: string
  readonly inputs: readonly (Value | null)[]
  readonly attributes: Attributes
  readonly outputs: readonly Value[]
}

export interface ValueSpec {
  readonly shape: readonly number[]
  readonly dtype: ValueDtype
}

/**
 * ONNX nodes in the order in which they were appended, which is an order of execution.
 * Appending a node that is already there returns the old one, so that a subexpression which forward and backward pass share is computed once.
 */
export class Graph {
  readonly nodes: GraphNode[] = []
  readonly channelBlock: number | undefined
  readonly #known = new Map<string, readonly Value[]>()
  #nextId = 0

  /** @param channelBlock channels in a block of the layout in which the device convolves; none where the graph is to run anywhere */
  constructor(channelBlock?: number) {
    this.channelBlock = channelBlock
  }

  /** A value that is fed at every run. */
  input(spec: ValueSpec): Value {
    return this.#value(spec)
  }

  /** The data must not change afterwards. */
  constant(data: ConstantData, shape: readonly number[], dtype: ValueDtype): Value {
    const first = data[0]
    if (first !== undefined && typeof first === 'number' && data.every((element: number | bigint) => Object.is(element, first)))
      return this.fill(first, shape, dtype)
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    const content = bytes.length <= 64 ? bytes.toString('latin1') : createHash('sha1').update(bytes).digest('base64')
    return this.#once(`constant ${dtype} ${shape.join()} ${content}`, () => [this.#value({ shape, dtype }, { constant: data })])[0]!
  }

  /** A tensor with one number everywhere. */
  fill(value: number, shape: readonly number[], dtype: ValueDtype): Value {
    const number = dtype === 'float32' ? Math.fround(value) : Number(value)
    const key = `fill ${dtype} ${shape.join()} ${Object.is(number, -0) ? '-0' : number}`
    return this.#once(key, () => [this.#value({ shape, dtype }, { constant: number })])[0]!
  }

  /** Integers as ONNX wants them for shapes and axes. */
  int64(...numbers: number[]): Value {
    return this.constant(BigInt64Array.from(numbers, BigInt), [numbers.length], 'int64')
  }

  /** Appends a node with one output. */
  add(op: string, inputs: readonly (Value | null)[], spec: ValueSpec, attributes: Attributes = {}): Value {
    return this.addMany(op, inputs, [spec], attributes)[0]!
  }

  /** Appends a node with several outputs. An input that is left out is null. */
  addMany(op: string, inputs: readonly (Value | null)[], specs: readonly ValueSpec[], attributes: Attributes = {}): readonly Value[] {
    const results = specs.map(({ shape, dtype }) => `${dtype}[${shape.join()}]`).join()
    const key = `${op} ${inputs.map((input) => input?.id ?? '-').join()} ${JSON.stringify(attributes, exactNumber)} ${results}`
    return this.#once(key, () => {
      const outputs: Value[] = []
      const node: GraphNode = { op, inputs, attributes, outputs }
      for (const spec of specs) outputs.push(this.#value(spec, { producer: node }))
      this.nodes.push(node)
      return outputs
    })
  }

  #once(key: string, make: () => readonly Value[]): readonly Value[] {
    let values = this.#known.get(key)
    if (!values) this.#known.set(key, (values = make()))
    return values
  }

  #value({ shape, dtype }: ValueSpec, source: Pick<Value, 'producer' | 'constant'> = {}): Value {
    return { id: this.#nextId++, shape, dtype, ...source }
  }
}

/** JSON has neither NaN nor infinities nor −0. */
function exactNumber(_key: string, value: unknown): unknown {
  if (typeof value !== 'number') return value
  return Object.is(value, -0) ? '-0' : String(value)
}

/** The values of a constant, element by element. */
export function constantData(value: Value): ConstantData {
  const { constant, shape, dtype } = value
  if (constant === undefined) throw new TypeError('not a constant')
  if (typeof constant !== 'number') return constant
  const length = elementCount(shape)
  if (dtype === 'int64') return new BigInt64Array(length).fill(BigInt(constant))
  return new { float32: Float32Array, int32: Int32Array, bool: Uint8Array }[dtype](length).fill(constant)
}

/** Nodes that the results need, in order of execution. */
export function reachableNodes(graph: Graph, results: Iterable<Value>): GraphNode[] {
  const needed = new Set<GraphNode>()
  const pending = [...results]
  for (let value = pending.pop(); value; value = pending.pop()) {
    const node = value.producer
    if (!node || needed.has(node)) continue
    needed.add(node)
    for (const input of node.inputs) if (input) pending.push(input)
  }
  return graph.nodes.filter((node) => needed.has(node))
}
