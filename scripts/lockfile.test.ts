import { expect, test } from 'vitest'
import { matchesLockfile, parseRecord } from './lockfile.mjs'

const wanted = {
  '': { version: '1.0.0' },
  'packages/own': { version: '0.1.0' },
  'node_modules/own': { link: true },
  'node_modules/needed': { version: '2.0.0' },
  'node_modules/for-another-platform': { version: '3.0.0', optional: true },
}
const installed = { 'node_modules/own': {}, 'node_modules/needed': { version: '2.0.0' } }

test.each([
  ['nothing was ever installed', undefined, false],
  ['everything is there but an optional package', installed, true],
  ['a package is missing', { 'node_modules/own': {} }, false],
  ['a package has another version', { ...installed, 'node_modules/needed': { version: '1.9.0' } }, false],
  ['an optional package has another version', { ...installed, 'node_modules/for-another-platform': { version: '2.9.0' } }, false],
  ['a workspace is not linked', { 'node_modules/needed': { version: '2.0.0' } }, false],
])('%s', (_, found, expected) => {
  expect(matchesLockfile(wanted, found)).toBe(expected)
})

test.each([
  ['a file that is not there', null, null],
  ['an empty file', '', null],
  ['a truncated file', '{"packages":{"node_mod', null],
  ['a whole file', '{"packages":{}}', { packages: {} }],
])('%s is read without an error', (_, text, expected) => {
  expect(parseRecord(text)).toEqual(expected)
})
