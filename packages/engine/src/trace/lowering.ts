import type { Graph, Value } from '../graph/graph.ts'

/** The tensors of a kernel call by name; a list kernel such as Concat numbers them. */
export type KernelInputs = Readonly<Record<string, Value>>

/**
 * Expresses one TensorFlow.js kernel in ONNX nodes.
 *
 * @param attrs as TensorFlow.js hands them to its kernels (`kernel_names.d.ts`)
 * @returns the value of each output of the kernel
 * @throws {UnsupportedOpError} the attributes ask for something that is not expressed
 */
export type Lowering<Attrs = never> = (graph: Graph, inputs: KernelInputs, attrs: Attrs) => Value | readonly Value[]

/** Lowerings by kernel name. */
export type Lowerings = Readonly<Record<string, Lowering>>
