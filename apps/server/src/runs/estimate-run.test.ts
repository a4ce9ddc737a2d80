import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { estimateRun, readCalibration } from './estimate-run.ts'
import { findPreset } from './presets.ts'

const dataset = { title: 'Digits', trainExamples: 10_000, testExamples: 1000 }
const calibration = { seconds_per_step: 0.1, seconds_per_evaluated_image: 0.001, seconds_to_start: 0 }
const paper = { ...findPreset('paper')!.config, batch_size: 100, epochs: 2 }

test('blocks share the trainers, and so do evaluations', () => {
  // 10 blocks × 2 epochs × 100 steps × 0.1 s, and 2 evaluations of 1000 images × 0.001 s
  expect(estimateRun(paper, dataset, calibration, 1)).toBeCloseTo(202)
  expect(estimateRun(paper, dataset, calibration, 2)).toBeCloseTo(101)
})

test('the start is counted once', () => {
  expect(estimateRun(paper, dataset, { ...calibration, seconds_to_start: 3 }, 2)).toBeCloseTo(104)
})

test('blocks that do not divide evenly leave a trainer idle', () => {
  const odd = { ...paper, blocks: 3, epochs: 1 }
  expect(estimateRun(odd, dataset, calibration, 2)).toBeCloseTo(2 * 10 + 0.5)
})

test('the validation split takes training images and is evaluated as well', () => {
  const held = { ...paper, validation_size: 5000 }
  expect(estimateRun(held, dataset, calibration, 1)).toBeCloseTo(10 * 2 * 50 * 0.1 + (2 * 5000 + 1000) * 0.001)
})

test.for([
  ['{"quick": {"seconds_per_step": 0.1, "seconds_per_evaluated_image": 0.001, "seconds_to_start": 0}}', { quick: calibration }],
  ['{"quick": {"seconds_per_step": -1}}', {}],
  ['no json', {}],
  [null, {}],
] as const)('a calibration file of %s reads as %o', async ([text, expected]) => {
  const folder = await mkdtemp(join(tmpdir(), 'noprop-calibration-'))
  try {
    if (text !== null) await writeFile(join(folder, 'calibration.json'), text)
    expect(await readCalibration(folder)).toEqual(expected)
  } finally {
    await rm(folder, { recursive: true })
  }
})
