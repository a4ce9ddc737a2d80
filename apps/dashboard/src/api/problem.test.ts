import { describe, expect, test } from 'vitest'
import { problemFrom, splitByField } from './problem.ts'

const problem = {
  type: 'about:blank',
  title: 'Bad Request',
  status: 400,
  detail: 'The body is wrong.',
  code: 'VALIDATION_FAILED',
  request_id: 'r',
}

describe('splitByField', () => {
  test('an error goes to the field that its pointer names', () => {
    const { fields, rest } = splitByField(
      { ...problem, errors: [{ pointer: '/config/epochs', detail: 'must be >= 1' }] },
      new Set(['/config/epochs']),
    )
    expect(fields.get('/config/epochs')).toBe('must be >= 1')
    expect(rest).toEqual([])
  })

  test('an error inside an array goes to the field of the array', () => {
    const { fields } = splitByField(
      { ...problem, errors: [{ pointer: '/config/channels/1', detail: 'too big' }] },
      new Set(['/config/channels']),
    )
    expect(fields.get('/config/channels')).toBe('too big')
  })

  test('an error of no field on the page is kept as a message', () => {
    const { fields, rest } = splitByField({ ...problem, errors: [{ pointer: '/elsewhere', detail: 'no' }] }, new Set(['/config/epochs']))
    expect(fields.size).toBe(0)
    expect(rest).toEqual(['elsewhere: no'])
  })

  test('a problem without errors[] gives its own sentence', () => {
    expect(splitByField(problem, new Set()).rest).toEqual(['The body is wrong.'])
  })
})

test('an answer that is not problem+json still becomes a problem', () => {
  expect(problemFrom(502, 'Bad Gateway', '<html>')).toMatchObject({ status: 502, detail: 'The server answered 502 Bad Gateway.' })
})
