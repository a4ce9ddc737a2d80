import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { estimateRun, readCalibration, scaleCost } from './estimate-run.ts'
import { findPreset } from './presets.ts'

const dataset = { title: 'Digits', trainExamples: 10_000, testExamples: 1000 }
const cost = { seconds_per_step: 0.1, seconds_per_evaluated_image: 0.001, units: 10, in_turn: false }
const calibration = { ...cost, seconds_to_start: 2, relative_cost: { mnist: 1, 'cifar-10': 1.5 } }
const paper = { ...findPreset('paper-dt-mnist-onehot')!.config, batch_size: 100, epochs: 2 }

test('blocks share the trainers, and so do evaluations', () => {
  // 10 blocks × 2 epochs × 100 steps × 0.1 s, and 2 evaluations of 1000 images × 0.001 s
  expect(estimateRun(paper, dataset, cost, 1)).toBeCloseTo(202)
  expect(estimateRun(paper, dataset, cost, 2)).toBeCloseTo(101)
})

test('blocks that take turns leave all trainers but one idle, except in evaluations', () => {
  expect(estimateRun(paper, dataset, { ...cost, in_turn: true }, 2)).toBeCloseTo(201)
})

test('a network whose parts are trained together has one trainer', () => {
  expect(estimateRun(paper, dataset, { ...cost, units: 1 }, 4)).toBeCloseTo(20.5)
})

test('blocks that do not divide evenly leave a trainer idle', () => {
  expect(estimateRun({ ...paper, epochs: 1 }, dataset, { ...cost, units: 3 }, 2)).toBeCloseTo(2 * 10 + 0.5)
})

test('images of another size cost what their operations are to those that were timed; of an unknown dataset nothing is said', () => {
  expect(scaleCost(calibration, 'cifar-10')).toMatchObject({ seconds_per_step: expect.closeTo(0.15) as number, units: 10 })
  expect(scaleCost(calibration, 'svhn')).toBeNull()
})

test('the validation split takes training images and is evaluated as well', () => {
  const held = { ...paper, validation_size: 5000 }
  expect(estimateRun(held, dataset, cost, 1)).toBeCloseTo(10 * 2 * 50 * 0.1 + (2 * 5000 + 1000) * 0.001)
})

test.for([
  [JSON.stringify({ quick: calibration }), { quick: calibration }],
  ['{"quick": {"seconds_per_step": 0.1, "seconds_per_evaluated_image": 0.001, "seconds_to_start": 0}}', {}],
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
