import { type Attribute, constantData, type Graph, type GraphNode, reachableNodes, type Value } from '../graph/graph.ts'
import { attributeTypes, dataTypes, ModelProto } from './onnx-schema.ts'

/** Operator set 18 is the first whose reductions all take their axes as an input; ONNX Runtime knows it since 1.14. */
const opsetVersion = 18
const irVersion = 8

export type NamedValues = ReadonlyMap<string, Value>

/** A graph as an ONNX model. Inputs that no result needs are declared all the same: callers feed what the program declares. */
export function serializeGraph(graph: Graph, inputs: NamedValues, outputs: NamedValues): Uint8Array {
  const names = new Map<Value, string>([...inputs].map(([name, value]) => [value, name]))
  const aliases: { input: Value; name: string }[] = []
  for (const [name, value] of outputs) {
    if (value.producer && !names.has(value)) names.set(value, name)
    else aliases.push({ input: value, name })
  }
  const nodes = reachableNodes(graph, outputs.values())
  const initializers = new Map<string, object>()
  const taken = new Set([...inputs.keys(), ...outputs.keys()])
  const nameOf = (value: Value): string => {
    let name = names.get(value)
    if (name === undefined) {
      name = `v${value.id}`
      while (taken.has(name)) name += '_'
      names.set(value, name)
    }
    if (value.constant !== undefined && !initializers.has(name)) initializers.set(name, tensorProto(name, value))
    return name
  }

  const node = nodes.map(({ op, inputs, attributes, outputs }, index) => ({
    name: `${op}_${index}`,
    ...operatorName(op),
    input: inputs.map((input) => (input ? nameOf(input) : '')),
    output: outputs.map(nameOf),
    attribute: Object.entries(attributes).map(([name, attribute]) => attributeProto(name, attribute)),
  }))
  for (const { input, name } of aliases) {
    node.push({ name: `Identity_${name}`, ...operatorName('Identity'), input: [nameOf(input)], output: [name], attribute: [] })
  }
  const model = {
    irVersion,
    producerName: 'noprop-studio',
    opsetImport: opsetsOf(nodes),
    graph: {
      name: 'program',
      node,
      initializer: [...initializers.values()],
      input: [...inputs].map(valueInfoProto),
      output: [...outputs].map(valueInfoProto),
    },
  }
  return ModelProto.encode(ModelProto.fromObject(model)).finish()
}

/** `Conv` is ONNX' own; `com.microsoft.nchwc.Conv` is from another domain. */
function operatorName(op: string): { opType: string; domain: string } {
  const end = op.lastIndexOf('.')
  return { opType: op.slice(end + 1), domain: op.slice(0, Math.max(0, end)) }
}

function opsetsOf(nodes: readonly GraphNode[]): object[] {
  const domains = new Set(nodes.map(({ op }) => operatorName(op).domain).filter((domain) => domain !== ''))
  return [{ domain: '', version: opsetVersion }, ...[...domains].map((domain) => ({ domain, version: 1 }))]
}

function tensorProto(name: string, value: Value): object {
  const data = constantData(value)
  return {
    name,
    dims: value.shape,
    dataType: dataTypes[value.dtype],
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }
}

function valueInfoProto([name, { shape, dtype }]: [string, Value]): object {
  return { name, type: { tensorType: { elemType: dataTypes[dtype], shape: { dim: shape.map((dimValue) => ({ dimValue })) } } } }
}

function attributeProto(name: string, attribute: Attribute): object {
  if (typeof attribute === 'number') return { name, i: attribute, type: attributeTypes.int }
  if (typeof attribute === 'string') return { name, s: Buffer.from(attribute), type: attributeTypes.string }
  if ('float' in attribute) return { name, f: attribute.float, type: attributeTypes.float }
  return { name, ints: attribute, type: attributeTypes.ints }
}
