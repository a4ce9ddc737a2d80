import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tinyConfig } from '../../test/run-program.ts'
import { buildModel } from '../build-model.ts'
import { CheckpointFormatError, CheckpointVersionError, SafetensorsError } from '../errors.ts'
import { decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts'
import { decodeSafetensors, encodeSafetensors } from './safetensors.ts'

/** A file with the given header text and data. */
function fileOf(header: string | Uint8Array, data = new Uint8Array(0), length?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header
  const bytes = new Uint8Array(8 + text.length + data.length)
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true)
  bytes.set(text, 8)
  bytes.set(data, 8 + text.length)
  return bytes
}

const file = {
  metadata: { made: 'by hand', 'ключ "1"': 'значение\n' },
  tensors: {
    mask: { shape: [3], values: Uint8Array.of(1, 0, 1) },
    'a/kernel': { shape: [2, 1, 3], values: Float32Array.of(1, -2.5, NaN, Infinity, -0, 1e-45) },
    labels: { shape: [], values: Int32Array.of(-7) },
    empty: { shape: [0, 4], values: new Float32Array(0) },
    __proto__x: { shape: [1], values: Float32Array.of(4) },
  },
}

describe('safetensors', () => {
  it('returns what was written, bit for bit', () => {
    const { metadata, tensors } = decodeSafetensors(encodeSafetensors(file))
    expect({ ...metadata }).toEqual(file.metadata)
    expect({ ...tensors }).toEqual(file.tensors)
  })

  it('has the layout of the format: header length, JSON padded to 8 bytes, tensors without gaps', () => {
    const bytes = encodeSafetensors({ metadata: {}, tensors: { x: { shape: [2], values: Float32Array.of(1, 2) } } })
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
    expect(length % 8).toBe(0)
    expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))).toEqual({
      __metadata__: {},
      x: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
    })
    expect(new Float32Array(bytes.slice(8 + length).buffer)).toEqual(Float32Array.of(1, 2))
  })

  it('does not depend on the order in which tensors were listed', () => {
    const reversed = Object.fromEntries(Object.entries(file.tensors).reverse())
    expect(encodeSafetensors({ ...file, tensors: reversed })).toEqual(encodeSafetensors(file))
  })

  it('reads a file that lies at an odd place of its buffer', () => {
    const bytes = encodeSafetensors(file)
    const shifted = new Uint8Array(bytes.length + 3)
    shifted.set(bytes, 3)
    expect({ ...decodeSafetensors(shifted.subarray(3)).tensors }).toEqual(file.tensors)
  })

  it('keeps any names and values', () => {
    const tensor = fc.array(fc.float(), { maxLength: 20 }).map((values) => ({ shape: [values.length], values: Float32Array.from(values) }))
    const name = fc.string({ unit: 'binary' }).filter((text) => text !== '__metadata__')
    fc.assert(
      fc.property(fc.dictionary(name, tensor), (tensors) => {
        expect(Object.entries(decodeSafetensors(encodeSafetensors({ metadata: {}, tensors })).tensors).sort()).toEqual(
          Object.entries(tensors).sort(),
        )
      }),
    )
  })

  it.each([
    ['is empty', new Uint8Array(0)],
    ['ends within the length', new Uint8Array(7)],
    ['has a header beyond its end', fileOf('{}', undefined, 3n)],
    ['has an oversized header', fileOf('{}', undefined, 10_000_001n)],
    ['has a header length that no number holds', fileOf('{}', undefined, 2n ** 64n - 1n)],
    ['has a header that is not UTF-8', fileOf(Uint8Array.of(0x7b, 0xff, 0x7d))],
    ['has a header that is not JSON', fileOf('{"x":')],
    ['has a list as header', fileOf('[]')],
    ['has null as header', fileOf('null')],
    ['has metadata that is not text', fileOf('{"__metadata__":{"a":1}}')],
    ['has a tensor that is no object', fileOf('{"x":3}')],
    ['has an unknown dtype', fileOf('{"x":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}', new Uint8Array(8))],
    ['has an inherited name as dtype', fileOf('{"x":{"dtype":"constructor","shape":[1],"data_offsets":[0,8]}}', new Uint8Array(8))],
    ['has no shape', fileOf('{"x":{"dtype":"U8","data_offsets":[0,1]}}', new Uint8Array(1))],
    ['has a negative size', fileOf('{"x":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}', new Uint8Array(1))],
    ['has a fractional size', fileOf('{"x":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}', new Uint8Array(1))],
    [
      'has sizes whose product is huge',
      fileOf('{"x":{"dtype":"F32","shape":[9007199254740991,9007199254740991],"data_offsets":[0,4]}}', new Uint8Array(4)),
    ],
    ['has too many axes', fileOf('{"x":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}', new Uint8Array(1))],
    ['has bytes that do not fit the shape', fileOf('{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', new Uint8Array(4))],
    ['has a tensor beyond its end', fileOf('{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', new Uint8Array(4))],
    ['has an end before a begin', fileOf('{"x":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}', new Uint8Array(1))],
    ['has three offsets', fileOf('{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}', new Uint8Array(1))],
    [
      'has overlapping tensors',
      fileOf(
        '{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
        new Uint8Array(3),
      ),
    ],
    [
      'has a gap',
      fileOf(
        '{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"y":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}',
        new Uint8Array(3),
      ),
    ],
    ['has bytes of no tensor', fileOf('{}', new Uint8Array(1))],
    [
      'names a tensor twice',
      fileOf(
        '{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0078":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        new Uint8Array(1),
      ),
    ],
    ['says something twice of a tensor', fileOf('{"x":{"dtype":"F32","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', new Uint8Array(1))],
  ])('refuses a file that %s', (_, bytes) => {
    expect(() => decodeSafetensors(bytes)).toThrow(SafetensorsError)
  })

  it('answers any damage with its error or with tensors of the right size', () => {
    const bytes = encodeSafetensors(file)
    const damage = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(damage, fc.nat(bytes.length), (changes, cut) => {
        const damaged = bytes.slice(0, Math.max(cut, bytes.length - 20))
        for (const [at, byte] of changes) if (at < damaged.length) damaged[at] = byte
        try {
          const { tensors } = decodeSafetensors(damaged)
          for (const { shape, values } of Object.values(tensors)) expect(values.length).toBe(shape.reduce((product, n) => product * n, 1))
        } catch (error) {
          if (!(error instanceof SafetensorsError)) throw error
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('refuses to write a tensor whose values do not fill its shape', () => {
    expect(() => encodeSafetensors({ metadata: {}, tensors: { x: { shape: [3], values: new Float32Array(2) } } })).toThrow(SafetensorsError)
    expect(() => encodeSafetensors({ metadata: {}, tensors: { __metadata__: { shape: [1], values: new Float32Array(1) } } })).toThrow(
      SafetensorsError,
    )
  })
})

describe('a checkpoint', () => {
  const unit = buildModel(tinyConfig).units[2]!
  const content = { config: { ...tinyConfig, note: 'ä "x"' }, block: 2, epoch: 3, step: 1290, state: unit.initialState(1) }
  const metadataOf = (bytes: Uint8Array) => decodeSafetensors(bytes).metadata

  it('returns what was written', () => {
    const decoded = decodeCheckpoint(encodeCheckpoint(content))
    expect({ ...decoded, state: { ...decoded.state } }).toEqual(content)
  })

  it('has equal bytes for equal content', () => {
    const reordered = { ...content, state: Object.fromEntries(Object.entries(content.state).reverse()) }
    expect(encodeCheckpoint(reordered)).toEqual(encodeCheckpoint(content))
  })

  it('stores shapes where it is given them', () => {
    const bytes = encodeCheckpoint({ ...content, specs: unit.trainingProgram(4).state })
    expect(decodeSafetensors(bytes).tensors['image.conv2.kernel']!.shape).toEqual([3, 3, 2, 3])
    expect({ ...decodeCheckpoint(bytes).state }).toEqual(content.state)
  })

  it.each([
    ['format', undefined, CheckpointFormatError],
    ['format_version', '2', CheckpointVersionError],
    ['format_version', 'one', CheckpointFormatError],
    ['block', '-1', CheckpointFormatError],
    ['epoch', '1e3', CheckpointFormatError],
    ['step', '99999999999999999999', CheckpointFormatError],
    ['step', undefined, CheckpointFormatError],
    ['config', '{', CheckpointFormatError],
    ['config', undefined, CheckpointFormatError],
  ] as const)('with %s = %s is refused', (field, value, error) => {
    const bytes = encodeCheckpoint(content)
    const { [field]: _, ...others } = metadataOf(bytes)
    const metadata: Record<string, string> = value === undefined ? others : { ...others, [field]: value }
    expect(() => decodeCheckpoint(encodeSafetensors({ metadata, tensors: decodeSafetensors(bytes).tensors }))).toThrow(error)
  })

  it('of a newer format says which', () => {
    const newer = new CheckpointVersionError(2, 1)
    expect([newer.code, newer.found, newer.message]).toEqual([
      'CHECKPOINT_VERSION',
      2,
      'Checkpoint format 2 is newer than 1, the newest this build reads',
    ])
  })
})
